"""Tensor files: safetensors whose header holds one JSON text, under "seds", that says what the file is.

safetensors holds no code, so a foreign file is safe to open. One text, because of several entries safetensors writes
the order at random, and equal content has to make equal bytes. It has a `schema`, which changes with the layout.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from seds.errors import SedsError
from seds.system.files import write_bytes

KEY = "seds"


class TensorFileError(SedsError, ValueError):
    """A file that is truncated, of other making or of another schema; the message names it and what was expected."""


def metadata(header: Mapping[str, Any]) -> dict[str, str]:
    """What safetensors is given to write a header, which JSON can say, in its order."""
    return {KEY: json.dumps(header)}


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray], header: Mapping[str, Any]) -> None:
    """Write tensors and their header, whole or not at all. Raises StorageError."""
    write_bytes(path, save({name: np.ascontiguousarray(array) for name, array in tensors.items()}, metadata(header)))


def open_tensors(
    path: Path, what: str, schema: str, framework: Literal["numpy", "pt"] = "numpy", **expected: object
) -> tuple[safe_open, dict[str, Any]]:
    """The opened file and its header.

    what: what to call such a file in messages. expected: entries that the header must have beside its schema.
    framework: of the tensors; NumPy's are copies, PyTorch's are views of the mapped file. Raises TensorFileError.
    """
    try:
        file = safe_open(path, framework=framework)
        header = json.loads((file.metadata() or {}).get(KEY, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise TensorFileError(f"{path} is not a readable {what} ({error})") from None
    if not isinstance(header, dict):
        header = {}
    if any(header.get(name) != value for name, value in {"schema": schema, **expected}.items()):
        stated = {name: header.get(name) for name in expected}
        raise TensorFileError(
            f"{path}: expected schema {_described(schema, expected)}, found {_described(header.get('schema'), stated)}"
        )
    return file, header


def read_tensors(
    path: Path, what: str, schema: str, framework: Literal["numpy", "pt"] = "numpy", **expected: object
) -> tuple[dict[str, Any], dict[str, Any]]:
    """All tensors of a file, by name, and its header; as in open_tensors. Raises TensorFileError."""
    file, header = open_tensors(path, what, schema, framework, **expected)
    return {name: file.get_tensor(name) for name in file.keys()}, header  # noqa: SIM118 (it is no mapping)


def _described(schema: object, entries: Mapping[str, object]) -> str:
    return " of ".join([repr(schema), *(f"{name} {value!r}" for name, value in entries.items())])
