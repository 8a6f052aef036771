"""Writing safetensors whose rows arrive one after the other, in constant memory.

safetensors' own writer needs every tensor whole. Here the rows of each tensor are appended to a temporary file without
a name, and at the end these files are copied together behind the header.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Self

import numpy as np

from seds.system.files import atomic_write, storage_errors

_DTYPES = {"float16": "F16", "float32": "F32", "int64": "I64"}


class RowWriter:
    """Tensors of a safetensors file, by name, row by row: `with RowWriter(path, metadata) as file: file.append(...)`.

    The file appears whole when the block ends, or not at all when it raises. Equal rows make equal bytes. Tensors of
    the widest items come first, which keeps all of them aligned, then they go by name.
    """

    def __init__(self, path: Path, metadata: Mapping[str, str]) -> None:
        self.path, self.metadata = path, dict(metadata)
        self._parts: dict[str, tuple[IO[bytes], np.dtype, tuple[int, ...]]] = {}
        self._rows: dict[str, int] = {}

    def append(self, name: str, rows: np.ndarray) -> None:
        """rows: [r, ...], in dtype and row shape as the tensor's first ones. Raises ValueError where they are not, and
        StorageError.
        """
        with storage_errors(self.path.parent):
            if name not in self._parts:
                part = TemporaryFile(dir=self.path.parent)  # noqa: SIM115 (closed when the block ends)
                self._parts[name] = (part, rows.dtype, rows.shape[1:])
                self._rows[name] = 0
            file, dtype, shape = self._parts[name]
            if (rows.dtype, rows.shape[1:]) != (dtype, shape):
                raise ValueError(f"{name}: rows {rows.dtype} {rows.shape[1:]} after rows {dtype} {shape}")
            file.write(np.ascontiguousarray(rows).data)
            self._rows[name] += len(rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._assemble()
        finally:
            for file, _, _ in self._parts.values():
                file.close()

    def _assemble(self) -> None:
        names = sorted(self._parts, key=lambda name: (-self._parts[name][1].itemsize, name))
        header: dict[str, object] = {"__metadata__": self.metadata}
        at = 0
        for name in names:
            _, dtype, shape = self._parts[name]
            size = self._rows[name] * int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
            header[name] = {
                "dtype": _DTYPES[dtype.name],
                "shape": [self._rows[name], *shape],
                "data_offsets": [at, at + size],
            }
            at += size
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with atomic_write(self.path) as temporary, temporary.open("wb") as whole:
            whole.write(len(text).to_bytes(8, "little") + text)
            for name in names:
                file = self._parts[name][0]
                file.seek(0)
                shutil.copyfileobj(file, whole, 1 << 22)
