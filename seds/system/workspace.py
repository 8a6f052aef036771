"""Where the outputs of a corpus have gone, and the command that brings them back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from seds.config import Params
from seds.errors import SedsError

# An output of each stage that the commands read.
OUTPUTS = {
    "prepare": "data/videos/{name}.parquet",
    "pose": "data/pose/{name}",
    "train": "models/{name}",
    "index": "index/{name}",
}


class MissingOutputError(SedsError, FileNotFoundError):
    """What a command reads is not there: never made, taken out of the workspace, or of a corpus that is not listed."""


def require_outputs(name: str, *stages: str, params: Params, root: Path = Path()) -> None:
    """Raises MissingOutputError, with the command that helps, unless a corpus has the outputs of these stages.

    stages: of OUTPUTS. root: the top of the repository. Raises ConfigError for a name that nothing is known of.
    """
    for stage in stages:
        path = OUTPUTS[stage].format(name=name)
        if name in params.datasets and (root / path).exists():
            continue
        made, cached = _locked_output(root, f"{stage}@{name}", path)
        if name not in params.datasets:
            if not made and not (root / path).exists():
                params.dataset(name)  # says which names there are
            command = f"dvc checkout {path}" if cached else f"dvc repro {stage}@{name}"
            raise MissingOutputError(
                f"{path} was made, but {name} is no longer under datasets: in params.yaml; put its entry back"
                + ("" if (root / path).exists() else f", then run: {command}")
            )
        if cached:
            raise MissingOutputError(
                f"{path} was made, but is not in the workspace now; bring it back with: dvc checkout {path}"
            )
        why = "is neither in the workspace nor in DVC's cache on this machine" if made else "has not been made yet"
        raise MissingOutputError(f"{path} {why}; make it with: dvc repro {stage}@{name}")


def _locked_output(root: Path, stage: str, path: str) -> tuple[bool, bool]:
    """Whether dvc.lock has this output of the stage, and whether DVC's cache on this machine has it, too.

    A repository that was just cloned has dvc.lock, but no cache.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo  # takes a second, and is only needed to explain what is missing
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        stages: dict[str, Any] = YAML(typ="safe").load(root / "dvc.lock")["stages"]
        outputs = {output["path"]: output for output in stages[stage]["outs"]}
        digest: str = outputs[path]["md5"]
    except (OSError, YAMLError, KeyError, TypeError):
        return False, False
    try:
        with Repo(str(root)) as repo:
            return True, repo.cache.local.exists(digest)
    except (DvcException, OSError):  # no repository, or one with broken settings
        return True, False
