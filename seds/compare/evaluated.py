"""An evaluated model: what stage evaluate left in a folder, in a git revision or in an experiment of DVC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from seds import tables
from seds.errors import SedsError
from seds.evaluation import results
from seds.evaluation.results import Similarity

WORKSPACE = Path()
_SHA = 7  # digits of a commit shown


class CompareError(SedsError, ValueError):
    """An evaluation that cannot be found, or two that have no queries in common; the message says what to run."""


@dataclass(frozen=True)
class Evaluated:
    """name: for a person. videos: the manifest's rows of the videos that were ranked, in the matrices' order."""

    name: str
    similarity: Similarity
    videos: pd.DataFrame


def open_evaluated(source: str, dataset: str) -> Evaluated:
    """What evaluated the corpus `dataset`, by the name that a person gives it.

    source: a folder, either results/NAME or the top of a repository's workspace; or what git or DVC knows: a branch, a
    tag, a commit, an experiment. What these have is read from DVC's cache or, where it lacks a file, from its remote;
    the workspace stays as it is. Raises CompareError, ResultError, TableError.
    """
    if Path(source).is_dir():
        return _of_folder(Path(source), dataset)
    with _fetched(source, dataset) as (root, commit):
        name = source if commit.startswith(source) else f"{source} ({commit[:_SHA]})"
        return _read(name, root / "results" / dataset, root, dataset)


def _of_folder(folder: Path, dataset: str) -> Evaluated:
    """A results folder has its workspace's manifest, where it lies in one, and otherwise that of this one."""
    if (folder / results.SIMILARITY).is_file():
        own = folder.resolve().parents[1]
        root = own if _manifest(own, dataset).is_file() else WORKSPACE
        return _read(str(folder), folder, root, dataset)
    if not (folder / "results" / dataset / results.SIMILARITY).is_file():
        raise CompareError(
            f"{folder} has neither {results.SIMILARITY} nor results/{dataset}/{results.SIMILARITY}; name a folder of "
            f"results, the top of a workspace, a git revision or an experiment, or run: dvc repro evaluate@{dataset}"
        )
    return _read("workspace" if folder == WORKSPACE else str(folder), folder / "results" / dataset, folder, dataset)


def _read(name: str, folder: Path, root: Path, dataset: str) -> Evaluated:
    """folder: of the results. root: the top of the workspace that has the manifest."""
    similarity = results.read_similarity(folder / results.SIMILARITY)
    path = _manifest(root, dataset)
    manifest = tables.read(path, tables.MANIFEST, f"dvc repro manifest@{dataset}").set_index("video_id", drop=False)
    unlisted = [video_id for video_id in similarity.video_ids if video_id not in manifest.index]
    if unlisted:
        raise CompareError(
            f"{folder / results.SIMILARITY} ranks {unlisted[0]!r}, which {path} does not list; it is of another corpus "
            f"or manifest; run: dvc repro evaluate@{dataset}"
        )
    return Evaluated(name, similarity, manifest.loc[similarity.video_ids].reset_index(drop=True))


def _manifest(root: Path, dataset: str) -> Path:
    return root / "data" / "manifest" / f"{dataset}.parquet"


@contextmanager
def _fetched(revision: str, dataset: str) -> Iterator[tuple[Path, str]]:
    """A temporary folder with the files of `_read` as a revision has them, and its commit. Raises CompareError."""
    from dvc.exceptions import DvcException
    from dvc.repo import Repo  # takes a second
    from dvc.scm import NoSCMError, RevError

    wanted = [f"results/{dataset}/{results.SIMILARITY}", f"data/manifest/{dataset}.parquet"]
    with TemporaryDirectory() as folder:
        root = Path(folder)
        try:
            with Repo(str(WORKSPACE)) as repo, repo.switch(revision) as commit:
                for path in wanted:
                    (root / path).parent.mkdir(parents=True)
                    try:
                        repo.dvcfs.get_file(path, str(root / path))
                    except FileNotFoundError as error:
                        raise CompareError(_not_fetched(revision, path, dataset, repo.dvcfs.exists(path))) from error
        except (RevError, NoSCMError) as error:
            raise CompareError(
                f"{revision!r} is neither a folder nor a revision or experiment ({error}); `dvc exp list -A` and "
                "`git log` name what there is"
            ) from None
        except DvcException as error:
            raise CompareError(f"DVC cannot read {revision!r}: {error}") from error
        yield root, commit


def _not_fetched(revision: str, path: str, dataset: str, known: bool) -> str:
    if known:
        return (
            f"{path} of {revision!r} was made, but is neither in DVC's cache on this machine nor in its remote; push "
            "it where it was made (dvc push), or make it again from that revision"
        )
    return f"{revision!r} has no {path}: {dataset} was not evaluated there; run: dvc repro evaluate@{dataset}"
