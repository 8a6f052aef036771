"""Tables that users make: CSV, TSV or Parquet, as spreadsheets and scripts write them.

A CSV is UTF-8, with or without a byte order mark; its fields are separated by commas, semicolons or tabs, and may stand
in double quotes.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seds.tables import TableError

SUFFIXES = (".csv", ".tsv", ".parquet")
_DELIMITERS = ",;\t"

log = logging.getLogger(__name__)


def read(file: Path, needed: Sequence[str], optional: Sequence[str]) -> Iterator[dict[str, str]]:
    """One record per row, of the columns that are there; an invalid row says why under "problem". Blank lines are
    skipped.

    Column names are compared in lower case; unknown columns are ignored and logged. Raises TableError, naming the file,
    if it is unreadable or lacks a needed column.
    """
    return (_parquet if file.suffix == ".parquet" else _csv)(file, needed, optional)


def _csv(file: Path, needed: Sequence[str], optional: Sequence[str]) -> Iterator[dict[str, str]]:
    known = {*needed, *optional}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            start = lines.readline()
            delimiter = max(_DELIMITERS, key=start.count)
            lines.seek(0)
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
            header = _columns(next(reader, []), file, needed, optional)
            while True:
                line = reader.line_num + 1
                try:
                    fields = next(reader)
                except StopIteration:
                    return
                except csv.Error as error:
                    if "unexpected end" in str(error):
                        raise TableError(f"{file}:{line}: a quotation mark is opened here and never closed") from None
                    yield {"problem": f"{file}:{line}: {error}; double the quotation marks within quotes"}
                    continue
                if not any(map(str.strip, fields)):  # spreadsheets leave such lines at the end
                    continue
                record = {name: field for name, field in zip(header, fields, strict=False) if name in known}
                if len(fields) != len(header):
                    record["problem"] = (
                        f"{file}:{line}: {len(fields)} fields, expected {len(header)}; a text with {delimiter!r} in it "
                        "has to be in double quotes"
                    )
                yield record
    except UnicodeDecodeError as error:
        raise TableError(f"{file} is not UTF-8 ({error}); save it as CSV UTF-8") from None
    except csv.Error as error:  # in the header
        raise TableError(f"{file}:1: {error}") from None


def _parquet(file: Path, needed: Sequence[str], optional: Sequence[str]) -> Iterator[dict[str, str]]:
    try:
        table = pd.read_parquet(file)
    except Exception as error:  # pyarrow raises several kinds for a damaged file
        raise TableError(f"{file} is not a readable Parquet file: {error}") from None
    table.columns = _columns([str(name) for name in table.columns], file, needed, optional)
    for record in table[[name for name in (*needed, *optional) if name in table]].to_dict("records"):
        yield {str(name): _text(value) for name, value in record.items()}


def _columns(names: Iterable[str], file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    """The table's column names, in lower case. Raises TableError for one that is missing or occurs twice."""
    columns = [name.strip().lower() for name in names]
    missing = [name for name in needed if name not in columns]
    if missing:
        raise TableError(f"{file}: no column {' and no column '.join(missing)}; it has {', '.join(columns) or 'none'}")
    repeated = sorted({name for name in (*needed, *optional) if columns.count(name) > 1})
    if repeated:
        raise TableError(f"{file}: column {repeated[0]} occurs twice")
    unknown = [name for name in columns if name not in (*needed, *optional)]
    if unknown:
        log.info("%s: ignored columns: %s (known: %s)", file, ", ".join(unknown), ", ".join((*needed, *optional)))
    return columns


def _text(value: Any) -> str:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    if isinstance(value, float) and value.is_integer():  # a column of whole numbers with gaps comes as floats
        return str(int(value))
    return str(value)
