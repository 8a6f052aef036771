"""Weight files made elsewhere: found, checked against their sha256, and read without running anything they hold."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seds.errors import SedsError
from seds.system.files import file_sha256

NESTED = ("state_dict", "model")  # keys under which checkpoints keep their tensors

# What checkpoints hold beside tensors: NumPy's scalars and arrays, such as the best accuracy of a training. These build
# an array from its bytes and run nothing else.
NUMPY_DATA = [
    np.dtype,
    np.ndarray,
    *(getattr(np.dtypes, name) for name in np.dtypes.__all__),
    np.float32(0).__reduce__()[0],  # the function that makes a scalar; its module depends on NumPy's version
    np.zeros(0).__reduce__()[0],  # and the one that makes an array
]


class WeightFileError(SedsError, ValueError):
    """A weight file that is missing, damaged, not the expected one, or holds more than data; the message names it."""


@dataclass(frozen=True)
class Checkpoint:
    """A weight file and the sha256 (hex) of its content."""

    path: Path
    sha256: str


def find_checkpoint(path: Path, sha256: str | None, if_missing: str) -> Checkpoint:
    """The file, checked against a sha256 (hex) unless that is None. `if_missing` says in the error what to do then.

    Raises WeightFileError if there is no such file, or if its sha256 differs.
    """
    if not path.is_file():
        raise WeightFileError(f"{path} not found; {if_missing}")
    checkpoint = Checkpoint(path, file_sha256(path))
    if sha256 is not None and checkpoint.sha256 != sha256.lower():
        raise WeightFileError(
            f"{path}: expected sha256 {sha256}, found {checkpoint.sha256}: a different file, or a damaged download"
        )
    return checkpoint


def read_state(path: Path, allowed: Sequence[Any] = ()) -> dict[str, Tensor]:
    """The state dict in a safetensors file, a PyTorch checkpoint or a TorchScript archive.

    A checkpoint may nest it under `state_dict` or `model`, and its names may begin with DataParallel's `module.`.
    allowed: classes and functions that the checkpoint may use beside tensors, plain containers and NUMPY_DATA. Anything
    else that its pickle names is refused. Raises WeightFileError.
    """
    if not path.is_file():
        raise WeightFileError(f"{path} not found")
    state = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path, allowed)
    for key in NESTED:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state:
        what = "an empty dict" if isinstance(state, dict) else f"a {type(state).__name__}"
        raise WeightFileError(f"{path} holds no state dict of tensors, but {what}")
    for name, value in state.items():
        if not isinstance(value, Tensor):
            raise WeightFileError(f"{path} holds no state dict of tensors: {name!r} is a {type(value).__name__}")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightFileError(f"{path} is not a readable safetensors file: {error}") from None


def _read_pickle(path: Path, allowed: Sequence[Any]) -> Any:
    try:
        if _is_torchscript(path):
            return _read_torchscript(path)
        with torch.serialization.safe_globals([*NUMPY_DATA, *allowed]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, MemoryError):
        raise
    except Exception as error:  # damaged files raise many kinds
        # Only the name is taken from PyTorch's message, which recommends loading the file unsafely.
        refused = re.search(r"GLOBAL (\S+)|asks for (\S+),", str(error))
        reason = f"its pickle asks for {refused[1] or refused[2]}, which is refused" if refused else _DAMAGED
        raise WeightFileError(f"{path} cannot be read as weights: {reason}; nothing in it was run") from None


_DAMAGED = "it is damaged, or holds more than tensors and plain data"


# ---- TorchScript -----------------------------------------------------------------------------------------------------
# Such an archive, OpenAI's ViT-B-32.pt among them, is a program with its tensors. Loading it with torch.jit would make
# the program callable and run parts of it, so only the tensors are read: its modules become records of attributes.


class _Record:
    """A module of the archive: its attributes by name."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.attributes = dict(state)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:] == ["constants.pkl"] for name in archive.namelist())


def _read_torchscript(path: Path) -> dict[str, Tensor]:
    with zipfile.ZipFile(path) as archive:
        root = archive.namelist()[0].split("/")[0]
        module = _Reader(archive, root).load()
    return dict(_tensors(module, ""))


def _tensors(record: _Record, prefix: str) -> Iterator[tuple[str, Tensor]]:
    for name, value in record.attributes.items():
        if isinstance(value, Tensor):
            yield prefix + name, value
        elif isinstance(value, _Record):
            yield from _tensors(value, f"{prefix}{name}.")


class _Reader(pickle.Unpickler):
    """Reads data.pkl: tensors, plain containers and records. Any other class or function is refused."""

    KNOWN: Mapping[tuple[str, str], Callable[..., Any]] = {
        ("collections", "OrderedDict"): OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2"): lambda storage, offset, size, stride, *_: torch.as_strided(
            storage, size, stride, offset
        ),
        ("torch._utils", "_rebuild_parameter"): lambda tensor, *_: tensor,
        **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "double", "bool", "tensor")},
        ("torch.jit._pickle", "restore_type_tag"): lambda value, _tag: value,
    }
    STORAGES: Mapping[str, torch.dtype] = {
        "FloatStorage": torch.float32,
        "HalfStorage": torch.float16,
        "DoubleStorage": torch.float64,
        "BFloat16Storage": torch.bfloat16,
        "LongStorage": torch.int64,
        "IntStorage": torch.int32,
        "BoolStorage": torch.bool,
    }

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}/data.pkl")))
        self._archive, self._root = archive, root
        self._storages: dict[str, Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if module.split(".")[0] == "__torch__":
            return _Record
        if module == "torch" and name in self.STORAGES:
            return self.STORAGES[name]
        if (module, name) in self.KNOWN:
            return self.KNOWN[module, name]
        raise pickle.UnpicklingError(f"asks for {module}.{name}, which is not a tensor")

    def persistent_load(self, identity: Any) -> Tensor:
        _, dtype, key, _, _ = identity  # "storage", type, name, device, elements
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self._storages[key]
