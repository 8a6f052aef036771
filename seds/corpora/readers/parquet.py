"""Columns of a Parquet file, or of a folder of them, as text: what the types in the file say, whoever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset, fs, types

from seds.tables import TableError

_READ = (types.is_null, types.is_boolean, types.is_integer, types.is_floating, types.is_decimal)
_TEXT = (types.is_string, types.is_large_string, types.is_string_view)


def read_texts(
    file: Path, columns: Callable[[list[str]], Sequence[str]], wanted: Sequence[str]
) -> list[dict[str, str]]:
    """A record per row of the `wanted` columns that are there, "" for null.

    columns: the names in the file -> what they are called here. Columns that pandas made its index are columns. A
    folder, as Spark writes it, is read whole, with the columns that its folders are named by (split=train). Numbers are
    as in a CSV, whole ones without a point. Raises TableError if the file cannot be read, or if a wanted column holds
    anything but text, numbers and truth values; other columns may hold anything.
    """
    try:
        whole = _Folder(file) if file.is_dir() else _File(file)
    except Exception as error:  # pyarrow raises several kinds for a damaged file
        raise _unreadable(file, error) from None
    names = dict(zip(columns(whole.schema.names), whole.schema, strict=True))
    fields = {name: names[name] for name in wanted if name in names}
    odd = [f"{field.name!r} is {field.type}" for field in fields.values() if not _is_read(field.type)]
    if odd:
        raise TableError(f"{file}: column {', '.join(odd)}; expected text, numbers or truth values")
    try:
        table = whole.read([field.name for field in fields.values()])
        texts = {name: _texts(table[field.name]) for name, field in fields.items()}
    except Exception as error:
        raise _unreadable(file, error) from None
    return [dict(zip(texts, row, strict=True)) for row in zip(*texts.values(), strict=True)]


class _File:
    """One file, whose names need not be unique."""

    def __init__(self, path: Path) -> None:
        self._file = pq.ParquetFile(path)
        self.schema = self._file.schema_arrow

    def read(self, names: list[str]) -> pa.Table:
        return self._file.read(names)


class _Folder:
    """A folder of files."""

    def __init__(self, path: Path) -> None:
        self._dataset = dataset.dataset(
            str(path), format="parquet", filesystem=fs.LocalFileSystem(), partitioning="hive"
        )
        self.schema = self._dataset.schema

    def read(self, names: list[str]) -> pa.Table:
        return self._dataset.to_table(names)


def _unreadable(file: Path, error: Exception) -> TableError:
    return TableError(f"{file} is not a readable Parquet file: {error}")


def _is_read(kind: pa.DataType) -> bool:
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return any(is_it(kind) for is_it in (*_READ, *_TEXT))


def _texts(column: pa.ChunkedArray) -> list[str]:
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_floating(column.type):  # its own digits: 0.1 in 32 bits is 0.10000000149011612 in 64
        return ["" if np.isnan(value) else _number(value) for value in column.to_numpy()]
    return ["" if value is None else _text(value) for value in column.to_pylist()]


def _text(value: Any) -> str:
    return format(value, "f") if hasattr(value, "as_tuple") else str(value)  # a decimal without an exponent


def _number(value: np.floating) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)
