"""The files of extracted tensors: shards, about 250 videos each, and an index that says which shard has a video.

A shard is a tensor file (seds.tensorfile). Its tensors are named `<field>/<video_id>`; its header has the kind of
tensors and how they were extracted: estimator, sha256 of the weights, fingerprint.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from seds import tables
from seds.errors import SedsError
from seds.tensorfile import TensorFileError, open_tensors, write_tensors

SCHEMA = "seds-shard-1"
INDEX = "index.parquet"
_OPEN_SHARDS = 4


class ShardError(SedsError, ValueError):
    """A shard that is missing, truncated or of another kind, or that lacks a video; the message names both."""


def write_shard(
    path: Path, kind: str, videos: Mapping[str, Mapping[str, np.ndarray]], metadata: Mapping[str, str]
) -> None:
    """Write {video_id: {field: array}} whole or not at all. `kind` is "pose" or "rgb". Raises StorageError."""
    tensors = {f"{field}/{video_id}": array for video_id, fields in videos.items() for field, array in fields.items()}
    header = {"schema": SCHEMA, "kind": kind, **metadata}
    write_tensors(path, tensors, dict(sorted(header.items())))


def read_shard_metadata(path: Path, kind: str) -> dict[str, str]:
    """The header of a shard. Raises ShardError."""
    return _open(path, kind)[1]


class ShardReader:
    """Random access to the tensors of a shard folder by video; several threads may share a reader.

    Files are memory-mapped. Only the last few stay open, as what is mapped counts as the process's memory.
    """

    def __init__(self, folder: str | Path, kind: str) -> None:
        self.folder, self.kind = Path(folder), kind
        self.index = tables.read(self.folder / INDEX, tables.SHARD_INDEX, f"dvc repro {kind}@{self.folder.name}")
        done = self.index[self.index["status"] == "ok"]
        self._shard_of: dict[str, str] = dict(zip(done["video_id"], done["shard"], strict=True))
        self._open: dict[str, safe_open] = {}  # the last used last
        self._lock = Lock()

    def __contains__(self, video_id: object) -> bool:
        return video_id in self._shard_of

    def read(self, video_id: str, fields: Sequence[str]) -> tuple[np.ndarray, ...]:
        """The named arrays of a video. Raises ShardError."""
        name = self._shard_of.get(video_id)
        if name is None:
            raise ShardError(f"{self.folder / INDEX} has no {self.kind} for video {video_id!r}")
        shard = self._shard(name)
        try:
            return tuple(shard.get_tensor(f"{field}/{video_id}") for field in fields)
        except SafetensorError as error:
            raise ShardError(f"{self.folder / name}: {video_id!r}: {error}") from None

    def find(self, video_id: str, field: str) -> np.ndarray | None:
        """An array that not every video has; None if this one lacks it. Raises ShardError."""
        name = self._shard_of.get(video_id)
        if name is None or f"{field}/{video_id}" not in self._shard(name).keys():  # noqa: SIM118
            return None
        return self.read(video_id, (field,))[0]

    def _shard(self, name: str) -> safe_open:
        with self._lock:
            shard = self._open.pop(name, None) or _open(self.folder / name, self.kind)[0]
            self._open[name] = shard  # last
            if len(self._open) > _OPEN_SHARDS:
                del self._open[next(iter(self._open))]
            return shard

    @cached_property
    def metadata(self) -> dict[str, str]:
        """The header of the first shard; {} if nothing could be extracted."""
        for name in self._shard_of.values():
            return read_shard_metadata(self.folder / name, self.kind)
        return {}


def write_index(folder: Path, table: pd.DataFrame) -> None:
    tables.write(table, tables.SHARD_INDEX, folder / INDEX)


def _open(path: Path, kind: str) -> tuple[safe_open, dict[str, str]]:
    """A shard and its header. Raises ShardError."""
    if not path.is_file():
        raise ShardError(f"{path} not found; make it with: dvc repro {kind}@{path.parent.name}")
    try:
        return open_tensors(path, "shard", SCHEMA, kind=kind)
    except TensorFileError as error:
        raise ShardError(f"{error}; remove it and run: dvc repro {kind}@{path.parent.name}") from None


def features_come_from(header: Mapping[str, str]) -> str:
    """Which network or networks made the RGB features of a shard with this header, for a person."""
    weights = header.get("weights", "unknown")
    if "adapted" not in header:
        return weights
    own = f"the corpus's own sign encoder ({header['adapted']})"
    alpha = float(header["alpha"])
    return own if alpha == 0 else f"{alpha:g} x those of {weights} + {1 - alpha:g} x those of {own}"


def features_are_random(header: Mapping[str, str]) -> bool:
    """Whether the network behind the RGB features of a shard with this header was never trained."""
    return "adapted" not in header and header.get("weights", "").startswith("random")


def extraction(header: dict[str, str]) -> dict[str, str]:
    """The entries of a shard's header that hold for the whole corpus: how it was extracted."""
    return {key: value for key, value in header.items() if key not in ("schema", "kind", "fingerprint", "videos")}
