"""Tensors of safetensors files where they lie: views of the mapped file.

Nothing is read before it is used, the processes of a machine share what was read, and of a tensor of which a few rows
are wanted the others stay where they are; safetensors' own reader copies it whole. Views are read-only.

The format (huggingface.co/docs/safetensors): 8 bytes for the length of the header, little endian; the header, JSON of
{name: {dtype, shape, data_offsets}}, offsets counted from its end, and `__metadata__`; the tensors, without gaps.
"""

from __future__ import annotations

import json
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_DTYPES = {"F16": "<f2", "F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8"}


class MappedError(ValueError):
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
