"""The folder that holds the state of a training run while it lasts, and what tells one run from another.

work/<stage>/<dataset>/<fingerprint>/, for stage train with a folder for each seed in it. The fingerprint covers
everything that the result depends on except train's seeds, so a run is never continued with other settings, code or
data; `run.json` records it in words.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch

from seds.config import Params
from seds.model import distributed
from seds.retrieval.metrics import flatten
from seds.shards import INDEX
from seds.system.code_version import code_version
from seds.system.files import digest, file_sha256, write_json
from seds.system.locks import lock

log = logging.getLogger(__name__)

SCRATCH = Path("work")
_RECORD = "run.json"
_SAMPLES, _SAMPLE_BYTES = 64, 4096  # of each shard, read for its checksum
# What to call a part of the record; any other part is a setting.
_CALLED = {"data": "data", "weights": "initial weights", "torch": "torch version"}


@contextmanager
def open_run(stage: str, dataset: str, identify: Callable[[], Mapping[str, Any]]) -> Iterator[Path]:
    """The folder for the state of this run of a stage, the same in every process.

    identify: called in the first process; what the result depends on, for JSON. That process waits for the dataset's
    lock, holds it inside the block, and tells of other interrupted runs. When the block ends without an exception, the
    run's outputs exist and the folder is removed.
    """
    with ExitStack() as stack:
        folder = None
        if distributed.rank() == 0:
            stack.enter_context(lock(SCRATCH / stage / f"{dataset}.lock", f"{stage} of {dataset}"))
            folder = run_folder(dataset, identify(), stage)
            list_other_runs(folder, stage)
        yield distributed.broadcast(folder)
        if folder is not None:
            shutil.rmtree(folder)


def identity(
    params: Params, dataset: str, lr: float, code: Callable[..., Any], pretrained: Path | None = None
) -> dict[str, Any]:
    """What the result of stage train depends on, except the seed. Raises OSError where the data are missing.

    code: the function that trains; its module and everything that it imports count. pretrained: the encoder of stage
    pretrain, if any.
    """
    name = params.profile(dataset)
    settings = params.train.model_dump(mode="json", exclude={"small", "published", "seeds", "methods"})
    profile = params.training(dataset).model_dump(mode="json")
    signs = Path("data/signs") / f"{dataset}.parquet"
    weights = [profile[key] for key in ("clip", "signbert") if profile[key] is not None]
    weights += [] if pretrained is None else [str(pretrained)]
    return {
        "dataset": params.dataset(dataset).model_dump(mode="json") | {"profile": name},
        "manifest": params.manifest.model_dump(mode="json"),
        "train": settings | profile | {"lr": lr},
        "weights": {path: file_sha256(Path(path)) for path in weights if Path(path).is_file()},
        "data": {
            "manifest": file_sha256(Path("data/manifest") / f"{dataset}.parquet"),
            **({"signs": file_sha256(signs)} if params.train.ideas.sign_weight else {}),
            **{kind: shards_sha256(Path("data") / kind / dataset) for kind in ("pose", "rgb")},
        },
        "code": code_version(code),
        "torch": torch.__version__,
        "device": params.device(),
        "processes": distributed.world_size(),
    }


def run_folder(dataset: str, run: Mapping[str, Any], stage: str = "train") -> Path:
    """The folder of the run with this identity; created with its record if missing. Raises StorageError."""
    folder = SCRATCH / stage / dataset / digest(dict(run))[:16]
    write_json(folder / _RECORD, run)
    return folder


def list_other_runs(folder: Path, stage: str = "train") -> None:
    """Log each interrupted run of the same dataset: size, age, how it differs, how to resume and how to remove it.

    Removes none: they may be days of work. folder: of this run (`run_folder`), which is not listed. To be called with
    the dataset's lock held.
    """
    this_run = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    for other in sorted(path for path in folder.parent.iterdir() if path.is_dir() and path != folder):
        files = [path.stat() for path in other.rglob("*") if path.is_file()]
        size = sum(file.st_size for file in files)
        age = time.time() - max((file.st_mtime for file in files), default=other.stat().st_mtime)
        log.info(
            f"{stage}: an interrupted run is kept in {other} ({_size(size)}, last written {_age(age)} ago). "
            f"{_compared(other / _RECORD, this_run)} To remove it: rm -r {shlex.quote(str(other))}"
        )


def _compared(record: Path, this_run: Mapping[str, Any]) -> str:
    """How the run of a record differs from this one, and what resumes it; two sentences."""
    try:
        other, here = (dict(flatten(run, ".")) for run in (json.loads(record.read_text(encoding="utf-8")), this_run))
    except (OSError, ValueError, AttributeError):
        return f"{record} is not readable, so it cannot be resumed."
    differing = [name for name in other | here if other.get(name) != here.get(name)]
    return f"It differs in {', '.join(_differences(differing, other, here))}. {_how_to_resume(differing)}"


def _differences(names: list[str], other: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    for name in names:
        section, _, rest = name.partition(".")
        if section == "code":
            yield "the code"
        elif section in ("data", "weights"):  # checksums
            yield f"{section} {rest}"
        else:
            yield f"{name} {other.get(name)} (here {here.get(name)})"


def _how_to_resume(differing: list[str]) -> str:
    sections = [name.partition(".")[0] for name in differing]
    needed = " and ".join(dict.fromkeys(_CALLED.get(section, "settings") for section in sections if section != "code"))
    if "code" in sections:
        return f"Only its version of the code{f', with its {needed},' if needed else ''} can resume it."
    return f"With its {needed}, the same command resumes it."


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{math.ceil(size / 1e6)} MB"


def _age(seconds: float) -> str:
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' * (count > 1)}"
    return "less than a minute"


def shards_sha256(folder: Path) -> str:
    """sha256 (hex) over a folder of shards: its index, and of each shard the size, header and samples of the tensors.

    A header names the videos, how they were extracted and a fingerprint of their content; imported shards have no
    fingerprint, so the samples tell them apart. Reading every byte of a large corpus would take minutes.
    """
    checksum = hashlib.sha256((folder / INDEX).read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        size = path.stat().st_size
        checksum.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            checksum.update(file.read(int.from_bytes(file.read(8), "little")))
            start = file.tell()
            for i in range(_SAMPLES):
                file.seek(start + (size - start) * i // _SAMPLES)
                checksum.update(file.read(_SAMPLE_BYTES))
    return checksum.hexdigest()
