"""A recorded file: the arrays that it has, what is damaged in it, and which of its arrays no check has read."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seds.errors import SedsError
from seds.verify.comparison import Failure, Note, Result


class RecordingError(SedsError, ValueError):
    """A folder or a file that is not in the recordings' format; the message names it and says what was expected."""


class NotCompared(Exception):
    """Why a comparison cannot be made, though the file is sound: what it lacks, or an option that is not offered."""


class Arrays:
    """The arrays of a .npz file by name.

    precision: of the floating-point tensors that `tensor` gives; None = as recorded. fallback: where an array is looked
    for that this file lacks, such as the inputs of a float64 recording, which are recorded once, in float32.
    damaged: name -> why, of the arrays that cannot be read; they count as missing.
    """

    def __init__(self, path: Path, arrays: dict[str, np.ndarray], damaged: dict[str, str]) -> None:
        self.path, self.damaged = path, damaged
        self.precision: torch.dtype | None = None
        self.fallback: Arrays | None = None
        self._arrays = arrays
        self._read: set[str] = set()

    @property
    def label(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def unread(self) -> list[str]:
        """What no check has asked for yet, in the order of the file."""
        return [name for name in self._arrays if name not in self._read]

    def view(self, precision: torch.dtype | None, fallback: Arrays | None = None) -> Arrays:
        """The same arrays in another precision, and those of `fallback` where this file has none of the name."""
        other = Arrays(self.path, self._arrays, self.damaged)
        other.precision, other.fallback, other._read = precision, fallback, self._read
        return other

    def __contains__(self, name: object) -> bool:
        return name in self._arrays or (self.fallback is not None and name in self.fallback)

    def __iter__(self) -> Iterator[str]:
        """The names, which do not count as read."""
        yield from self._arrays
        if self.fallback is not None:
            yield from (name for name in self.fallback if name not in self._arrays)

    def __getitem__(self, name: str) -> np.ndarray:
        """Raises NotCompared where there is no such array."""
        if name in self._arrays:
            self._read.add(name)
            return self._arrays[name]
        if self.fallback is not None and name in self.fallback:
            return self.fallback[name]
        if name in self.damaged:
            raise NotCompared(f"{name} of {self.path.name} cannot be read")
        raise NotCompared(f"{self.path.name} has no {name}")

    def numbers(self, name: str, *shape: int | str, sizes: dict[str, int] | None = None) -> np.ndarray:
        """The array, of numbers, and of that shape where one is given.

        shape: sizes, or letters that stand for one size each; `sizes` says which, or learns it here. Raises NotCompared
        when it is missing or has none of the values that the shape has, RecordingError when it is of another kind or
        shape.
        """
        array, known = self._of_kind(name, "fiub", "numbers"), {} if sizes is None else sizes
        if not shape:
            return array
        expected = [known.get(size, size) if isinstance(size, str) else size for size in shape]
        if array.ndim != len(expected) or any(
            not isinstance(size, str) and size != length for size, length in zip(expected, array.shape, strict=True)
        ):
            wanted = ", ".join(map(str, expected))
            raise RecordingError(f"{self._where(name)} has shape {list(array.shape)}, expected [{wanted}]")
        if array.size == 0:
            raise NotCompared(f"{name} is empty, of shape {list(array.shape)}")
        known |= {size: length for size, length in zip(shape, array.shape, strict=True) if isinstance(size, str)}
        return array

    def tensor(self, name: str, *shape: int | str, sizes: dict[str, int] | None = None) -> Tensor:
        """As `numbers`."""
        array = self.numbers(name, *shape, sizes=sizes)
        tensor = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
        return tensor.to(self.precision) if self.precision is not None and tensor.is_floating_point() else tensor

    def indices(self, name: str, low: int, high: int, *shape: int | str, sizes: dict[str, int] | None = None) -> Tensor:
        """As `numbers`: int64 from `low` to `high`. Raises RecordingError when a value is none."""
        array = self.numbers(name, *shape, sizes=sizes)
        outside = array[~((array >= low) & (array <= high) & (array == np.rint(array)))]
        if outside.size:
            raise RecordingError(
                f"{self._where(name)} holds {outside[0]}, expected whole numbers from {low} to {high} "
                f"({outside.size} of {array.size} are not)"
            )
        return torch.from_numpy(array.astype(np.int64))

    def strings(self, name: str) -> list[str]:
        """An array of strings, flat. Raises NotCompared, RecordingError."""
        return [str(value) for value in self._of_kind(name, "U", "strings").flat]

    def text(self, name: str, default: str) -> str:
        """One string; `default` where the file has none."""
        return " ".join(self.strings(name)) if name in self else default

    def number(self, name: str) -> float:
        """The number that an array of one element holds. Raises NotCompared, RecordingError."""
        array = self._of_kind(name, "fiub", "numbers")
        if array.size != 1:
            raise RecordingError(f"{self._where(name)} has shape {list(array.shape)}, expected one number")
        return float(array.item())

    def _of_kind(self, name: str, kinds: str, wanted: str) -> np.ndarray:
        array = self[name]
        if array.dtype.kind not in kinds:
            raise RecordingError(f"{self._where(name)} holds {array.dtype}, expected {wanted}")
        return array

    def _where(self, name: str) -> str:
        path = self.path if name in self._arrays or self.fallback is None else self.fallback.path
        return f"{path.name}: {name}"


class ArrayFiles:
    """The .npz files of a folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, Arrays] = {}

    def __contains__(self, name: str) -> bool:
        return (self.folder / name).is_file()

    def __getitem__(self, name: str) -> Arrays:
        """Raises RecordingError when the file is no archive of arrays, NotCompared when there is none."""
        if name not in self:
            raise NotCompared(f"{name} is not in the folder")
        if name not in self._loaded:
            self._loaded[name] = load_arrays(self.folder / name)
        return self._loaded[name]


class Entries(dict[str, Any]):
    """An object of a recorded JSON file."""

    def __missing__(self, name: str) -> Any:
        raise NotCompared(f"no entry {name!r}")


def load_arrays(path: Path) -> Arrays:
    """A .npz file. An array that is damaged or needs pickle goes to `damaged`; the others are read.

    Raises RecordingError when the file is no archive of arrays.
    """
    try:
        with path.open("rb") as stream:  # one that np.load opens stays open where the archive is damaged
            return _arrays(path, np.load(stream, allow_pickle=False))
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise RecordingError(f"{path.name} is not a readable .npz file: {error}") from None


def _arrays(path: Path, file: Any) -> Arrays:
    if not isinstance(file, np.lib.npyio.NpzFile):
        raise ValueError("it holds a single array")
    arrays, damaged = {}, {}
    for name in file.files:
        try:
            array = file[name]
        except Exception as error:  # whatever a zip member, its compression or its header may be broken in
            damaged[name] = f"{type(error).__name__}: {error}"
        else:
            if isinstance(array, np.ndarray):
                arrays[name] = array
            else:
                damaged[name] = "is not an array"
    return Arrays(path, arrays, damaged)


def load_json(path: Path) -> Any:
    """A JSON file, whose objects are Entries. Raises RecordingError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_hook=Entries)
    except (OSError, ValueError, RecursionError) as error:
        raise RecordingError(f"{path.name} is not a readable JSON file: {error}") from None


def as_recorded(label: str, results: Iterator[Result]) -> Iterator[Result]:
    """The results; what ends them early becomes the last: a note where it is NotCompared, else a failure."""
    try:
        yield from results
    except NotCompared as reason:
        yield Note(label, f"not compared: {reason}")
    except RecordingError as error:
        yield Failure(label, " ".join(str(error).split()))
    except Exception as error:  # a file may hold anything; the report names it and goes on with the rest
        yield Failure(label, f"{type(error).__name__}: {error}")
