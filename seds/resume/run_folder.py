"""Where the state of a training run is kept while it lasts, and by what a run is told from another.

work/train/<dataset>/<fingerprint>/<seed>/. The fingerprint covers all that the result depends on but the seed, so that
a run is never continued with other settings, code or data; `run.json` beside the seeds says it in words.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from seds.config import Params
from seds.model import distributed
from seds.shards import INDEX
from seds.system.code_version import code_version
from seds.system.files import digest

SCRATCH = Path("work") / "train"
KEPT_DAYS = 14  # of runs that nobody has taken up again
_RECORD = "run.json"
_SAMPLES, _SAMPLE = 64, 4096  # bytes of a shard that are looked at, and a sample's


def identity(
    params: Params, dataset: str, lr: float, code: Callable[..., Any], data: Path = Path("data")
) -> dict[str, Any]:
    """What the result of training depends on, but the seed. code: the function that trains, whose module and all that
    it imports count. Raises OSError where the data are not there.
    """
    name = params.profile(dataset)
    settings = params.train.model_dump(mode="json", exclude={"small", "published", "seeds"})
    profile = params.train.of(name).model_dump(mode="json")
    weights = [profile[key] for key in ("clip", "signbert") if profile[key] is not None]
    return {
        "dataset": params.dataset(dataset).model_dump(mode="json") | {"profile": name},
        "manifest": params.manifest.model_dump(mode="json"),
        "train": settings | profile | {"lr": lr},
        "weights": {path: _sha256(Path(path)) for path in weights if Path(path).is_file()},
        "data": {
            "manifest": _sha256(data / "manifest" / f"{dataset}.parquet"),
            **{kind: _shards(data / kind / dataset) for kind in ("pose", "rgb")},
        },
        "code": code_version(code),
        "torch": torch.__version__,
        "device": params.device(),
        "processes": distributed.world_size(),
    }


def run_folder(dataset: str, run: Mapping[str, Any], root: Path = SCRATCH) -> Path:
    """The folder of the run of this identity, made if it is not there."""
    folder = root / dataset / digest(dict(run))[:16]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _RECORD).write_text(json.dumps(run, indent=2) + "\n", encoding="utf-8")
    return folder


def other_runs(folder: Path, tell: Callable[[str], None]) -> None:
    """Tell of the runs of other identity that were interrupted: how far they are, and how they differ from this one.
    Those that nobody took up for KEPT_DAYS are removed, and told too. To be called by who holds the dataset's lock.
    """
    own = json.loads((folder / _RECORD).read_text(encoding="utf-8"))
    for other in sorted(path for path in folder.parent.iterdir() if path.is_dir() and path != folder):
        files = [path for path in other.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files) / 1e9
        days = (time.time() - max((path.stat().st_mtime for path in files), default=0.0)) / 86400
        if days > KEPT_DAYS:
            shutil.rmtree(other)
            tell(f"train: removed {other} ({size:.2f} GB), a run that was interrupted {days:.0f} days ago")
            continue
        try:
            differences = ", ".join(_differences(json.loads((other / _RECORD).read_text(encoding="utf-8")), own))
        except (OSError, ValueError):
            differences = "no readable " + _RECORD
        tell(
            f"train: an interrupted run waits in {other} ({size:.2f} GB). It is not this one: {differences}. With its "
            f"settings it goes on; without need of it: rm -r {other}"
        )


def _differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    first, second = dict(_flat(there)), dict(_flat(here))
    for name in first | second:
        if first.get(name) != second.get(name):
            if name == "code" or name.startswith(("data", "weights")):
                yield f"other {name.replace('.', ' ')}"
            else:
                yield f"{name} {first.get(name)} (here {second.get(name)})"


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _shards(folder: Path) -> str:
    """Of a shard folder: its index, and of each shard the size, the header and samples of the tensors.

    A header names the videos, how they were extracted and a fingerprint of their content; the samples tell apart what
    was imported, which has none. Reading all of it would take minutes for a large corpus.
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
                checksum.update(file.read(_SAMPLE))
    return checksum.hexdigest()
