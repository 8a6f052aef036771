"""Tensors of safetensors files where they lie: views of the mapped file.

Nothing is read before it is used, the processes of a machine share what was read, and of a tensor of which a part is
wanted the rest stays where it is; safetensors' own reader copies it whole. Views are read-only.

The format (huggingface.co/docs/safetensors): 8 bytes for the length of the header, little endian; the header, JSON of
{name: {dtype, shape, data_offsets}}, offsets counted from its end, and `__metadata__`; the tensors, without gaps.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from seds.errors import SedsError
from seds.shards import ShardError, ShardReader, read_shard_metadata

_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
# Shards of a reader that stay mapped: few, as what is mapped counts as a process's memory, but one for each thread that
# prepares, which would else read a header anew for every video.
_OPEN = max(4, os.cpu_count() or 1)


class MappedError(SedsError, ValueError):
    """A file that is no safetensors file, truncated, or not the one it was; the message names it."""


@dataclass(frozen=True)
class State:
    """What tells a file from an earlier one of its name, as DVC tells it: its size, time of change and inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Tensor:
    """Where a tensor lies in its file: dtype, shape, and the offset of its first byte."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


def state(path: Path) -> State:
    """Raises FileNotFoundError."""
    found = path.stat()
    return State(found.st_size, found.st_mtime_ns, found.st_ino)


def read_header(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file and its metadata. Raises MappedError, FileNotFoundError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            size = path.stat().st_size
            if length > size:
                raise ValueError(f"a header of {length} bytes in a file of {size}")
            header = json.loads(file.read(length))
        metadata = header.pop("__metadata__", {})
        start = 8 + length
        tensors = {}
        end = start
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            tensors[name] = Tensor(_DTYPES[entry["dtype"]], tuple(entry["shape"]), start + first)
            end = max(end, start + last)
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise MappedError(f"{path} is not a readable safetensors file: {error}") from None
    if end != size:
        raise MappedError(f"{path} has {size} bytes, its header speaks of {end}")
    return tensors, metadata


def open_map(path: Path, known: State) -> mmap.mmap:
    """The file, mapped for reading. known: its state when its header was read. Raises MappedError when it is another
    by now, or gone.
    """
    try:
        with path.open("rb") as file:
            if state(path) != known:
                raise MappedError(f"{path} has changed since this run began; run the same command again")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise MappedError(f"{path} cannot be read any more ({error}); run the same command again") from None


def view(file: mmap.mmap, tensor: Tensor) -> np.ndarray:
    """A tensor of a mapped file, read-only; the map stays open as long as it."""
    return np.ndarray(tensor.shape, tensor.dtype, file, tensor.offset)


class MappedReader(ShardReader):
    """A reader of shards whose arrays are views: for who looks at a part of them, or but once."""

    def __init__(self, folder: str | Path, kind: str) -> None:
        super().__init__(folder, kind)
        self._mapped = lru_cache(_OPEN)(self._map)

    def read(self, video_id: str, fields: Sequence[str]) -> tuple[np.ndarray, ...]:
        """The named arrays of a video, read-only. Raises ShardError."""
        name = self._shard_of.get(video_id)
        if name is None:
            return super().read(video_id, fields)  # which says so
        file, tensors = self._mapped(name)
        try:
            return tuple(view(file, tensors[f"{field}/{video_id}"]) for field in fields)
        except KeyError as error:
            raise ShardError(f"{self.folder / name}: {video_id!r}: no tensor {error}") from None

    def _map(self, name: str) -> tuple[mmap.mmap, dict[str, Tensor]]:
        path = self.folder / name
        read_shard_metadata(path, self.kind)  # refuses what is no shard of this kind
        known = state(path)
        return open_map(path, known), read_header(path)[0]
