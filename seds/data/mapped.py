"""Tensors of safetensors files as read-only views of the mapped file.

Nothing is read before it is used, of a tensor only the part that is used, and the processes of a machine share what was
read.

safetensors' own views (safe_open with framework "pt") share memory as well, but making one takes 9 us instead of 0.4
and reads the tensor's first page: with the RGB features of 1,000 videos out of the page cache, views of all of them
read 204 of 204 MB, the views made here 1.3. So only the check of a file is left to the library.

The format (huggingface.co/docs/safetensors): 8 bytes for the length of the header, little endian; the header, JSON of
{name: {dtype, shape, data_offsets}}, offsets counted from its end, and `__metadata__`; the tensors, without gaps.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from seds.errors import SedsError
from seds.shards import ShardError, ShardReader, read_shard_metadata

_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}
# Shards of a reader that stay mapped: few, as what is mapped counts as the process's memory, but one for each thread
# that reads videos, which otherwise would read a header again for every video.
_OPEN_SHARDS = max(4, os.cpu_count() or 1)


class MappedError(SedsError, ValueError):
    """A file that is truncated, not a safetensors file, or has changed; the message names it."""


@dataclass(frozen=True)
class FileState:
    """What tells a file from an earlier one of its name, as for DVC: its size, time of change and inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Location:
    """Where a tensor lies in its file: dtype, shape, and the offset of its first byte."""

    dtype: str
    shape: tuple[int, ...]
    offset: int


def file_state(path: Path) -> FileState:
    """Raises FileNotFoundError."""
    status = path.stat()
    return FileState(status.st_size, status.st_mtime_ns, status.st_ino)


def locations(path: Path) -> dict[str, Location]:
    """The tensors of a file, by name. Raises MappedError, FileNotFoundError."""
    try:
        with safe_open(path, framework="numpy"):
            pass  # which refuses what is damaged
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        return {
            name: Location(_DTYPES[entry["dtype"]], tuple(entry["shape"]), 8 + length + entry["data_offsets"][0])
            for name, entry in header.items()
        }
    except (SafetensorError, KeyError) as error:  # KeyError: a dtype that NumPy or this project does not use
        raise MappedError(f"{path} is not a readable safetensors file: {error}") from None


def open_map(path: Path, known: FileState) -> mmap.mmap:
    """The file, mapped for reading. known: its state when its tensors were located. Raises MappedError if it has
    changed since, or is gone.
    """
    try:
        with path.open("rb") as file:
            if file_state(path) != known:
                raise MappedError(f"{path} has changed since this run began; run the same command again")
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise MappedError(f"{path} cannot be read any more ({error}); run the same command again") from None


def view(file: mmap.mmap, location: Location) -> np.ndarray:
    """A tensor of a mapped file, read-only; the file stays mapped as long as the view exists."""
    return np.ndarray(location.shape, location.dtype, file, location.offset)


class MappedReader(ShardReader):
    """A reader of shards whose arrays are views, for callers that read them once or in part."""

    def __init__(self, folder: str | Path, kind: str) -> None:
        super().__init__(folder, kind)
        self._mapped = lru_cache(_OPEN_SHARDS)(self._map)

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

    def _map(self, name: str) -> tuple[mmap.mmap, dict[str, Location]]:
        path = self.folder / name
        read_shard_metadata(path, self.kind)  # refuses what is no shard of this kind
        state = file_state(path)
        return open_map(path, state), locations(path)
