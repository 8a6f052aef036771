"""Tensors by name from weight files of others, without running anything that the files hold."""

from __future__ import annotations

import io
import pickle
import re
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seds.errors import SedsError

NESTED = ("state_dict", "model")  # keys under which checkpoints keep their tensors


class WeightFileError(SedsError, ValueError):
    """A weight file that is missing, damaged or holds more than tensors; the message names it."""


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a safetensors file, a PyTorch checkpoint or a TorchScript archive.

    A checkpoint may nest it under `state_dict` or `model`, and its names may begin with DataParallel's `module.`.
    Raises WeightFileError.
    """
    if not path.is_file():
        raise WeightFileError(f"{path} not found")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except SafetensorError as error:
            raise WeightFileError(f"{path} is not a readable safetensors file: {error}") from None
    try:
        state = _archive(path) if _is_torchscript(path) else torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, zipfile.BadZipFile) as error:
        # Only the name is kept of PyTorch's message, which recommends to load the file unsafely.
        named = re.search(r"GLOBAL (\S+)|it asks for (\S+),", str(error))
        reason = f"it asks for {named[1] or named[2]}, which is refused" if named else "it is damaged or no weight file"
        raise WeightFileError(f"{path} cannot be read as tensors alone: {reason}; nothing of it was run") from None
    for key in NESTED:
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightFileError(f"{path} holds no state dict of tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


# ---- TorchScript -----------------------------------------------------------------------------------------------------
# Such an archive is a program with its tensors. Loading it with torch.jit would make the program callable and run parts
# of it, so only the tensors are taken: its modules are read as inert records of their attributes.


class _Record:
    """A module of the archive: its attributes by name."""

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.attributes = dict(state)


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.split("/")[1:] == ["constants.pkl"] for name in archive.namelist())


def _archive(path: Path) -> dict[str, Tensor]:
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
    """Reads data.pkl: tensors, plain containers and records; any other class or function is refused."""

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
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is refused")

    def persistent_load(self, identity: Any) -> Tensor:
        _, dtype, key, _, _ = identity  # "storage", type, name, device, elements
        if key not in self._storages:
            data = bytearray(self._archive.read(f"{self._root}/data/{key}"))
            self._storages[key] = torch.frombuffer(data, dtype=dtype) if data else torch.empty(0, dtype=dtype)
        return self._storages[key]
