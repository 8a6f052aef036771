"""Rows of spreadsheets, .xlsx and .ods, as the texts that a CSV of them would hold.

Numbers have the digits that a spreadsheet shows, whole ones no point; a number in a format of zeros alone (00000) keeps
its leading ones. Times without seconds are as they are shown, 1:30. Formulas are the values that were saved with them.
Nothing in a file can open another or grow in memory: the parts of the archive, rows, columns and cells have bounds.
"""

from __future__ import annotations

import datetime
import re
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seds.corpora.contents import MOST_BYTES
from seds.corpora.safe_xml import Handler, parse_stream
from seds.errors import SedsError
from seds.messages import printable
from seds.tables import TableError

SUFFIXES = (".xlsx", ".ods")
MOST_ROWS, MOST_COLUMNS, MOST_CELLS = 1_048_576, 16_384, 20_000_000  # the first two are Excel's
_PARTS = 1_000  # of an archive
_DURATION = re.compile(r"-?P(?:(\d+)D)?T?(?:(\d+)H)?(?:(\d+)M)?(?:([\d.]+)S)?")

Row = tuple[int, list[str]]  # number in the sheet, from 1, and its cells


def sheets(file: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    """The name and the rows of each sheet, the rows to be read before the next sheet. Blank rows are left out.

    Raises TableError, naming the file, for what is no such file or exceeds a bound; the rows do so as well.
    """
    with _readable(file), zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        if len(parts) > _PARTS or any(part.file_size > MOST_BYTES for part in parts):
            raise TableError(f"{file}: unpacked, a part of it has more than {MOST_BYTES:,} bytes, or it has too many")
        for name, rows in _ods(archive) if file.suffix.lower() == ".ods" else _xlsx(file):
            yield name, _bounded(rows, file)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Whatever goes wrong with the file inside is a TableError that names it."""
    try:
        yield
    except TableError:
        raise
    except (Exception, RecursionError) as error:  # openpyxl raises several kinds for a damaged file
        reason = str(error) if isinstance(error, SedsError) else f"{type(error).__name__}: {error}"
        raise TableError(
            f"{file} is not a readable {file.suffix[1:]} file ({printable(reason)}); "
            "one with a password has to be saved without"
        ) from None


def _bounded(rows: Iterator[Row], file: Path) -> Iterator[Row]:
    """The rows that are not blank, without blank cells at their ends."""
    cells = 0
    with _readable(file):
        for number, row in rows:
            cells += len(row)
            if number > MOST_ROWS or len(row) > MOST_COLUMNS or cells > MOST_CELLS:
                raise ValueError(
                    f"row {number}: more than {MOST_ROWS:,} rows, {MOST_COLUMNS:,} columns or {MOST_CELLS:,} cells"
                )
            while row and not row[-1].strip():
                row.pop()
            if row:
                yield number, row


def _xlsx(file: Path) -> Iterator[tuple[str, Iterator[Row]]]:
    import openpyxl  # takes a while, and few corpora have such a table

    with file.open("rb") as stream:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        for sheet in book.worksheets:
            sheet.reset_dimensions()  # what a file says of its size may be wrong
            rows = ((number, [_cell(cell) for cell in row]) for number, row in enumerate(sheet.iter_rows(), start=1))
            yield sheet.title, rows


def _cell(cell: Any) -> str:
    """The text of a cell of Excel's."""
    from openpyxl.utils.escape import unescape

    value = cell.value
    if value is None:
        return ""
    if isinstance(value, str):
        return str(unescape(value))
    shape = cell.number_format or ""
    if isinstance(value, datetime.datetime):
        return str(value.date()) if value.time() == datetime.time() else value.isoformat(" ")
    if isinstance(value, datetime.time):
        since = datetime.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second)
        value = since + datetime.timedelta(microseconds=value.microsecond)
    if isinstance(value, datetime.timedelta):
        return _clock(value.total_seconds(), "s" in shape.lower())
    if isinstance(value, int | float) and not isinstance(value, bool):
        text = number(value)
        return text.zfill(len(shape)) if re.fullmatch("0+", shape) and text.isdigit() else text
    return str(value)


def number(value: float) -> str:
    """A number as a spreadsheet shows it, with 15 digits at most: 0.3 for 0.1 + 0.2."""
    rounded = float(f"{value:.15g}")
    return str(int(rounded)) if rounded.is_integer() else str(rounded)


def _clock(seconds: float, with_seconds: bool) -> str:
    """A time as h:mm:ss.fff, as h:mm where it is shown so."""
    sign, rest = ("-", -seconds) if seconds < 0 else ("", seconds)
    minutes, rest = divmod(round(rest, 6), 60)
    hours, minutes = divmod(int(minutes), 60)
    if not with_seconds and not rest:
        return f"{sign}{hours}:{minutes:02d}"
    return f"{sign}{hours}:{minutes:02d}:{rest:09.6f}".rstrip("0").rstrip(".")


def _ods(archive: zipfile.ZipFile) -> Iterator[tuple[str, Iterator[Row]]]:
    document = _OpenDocument()
    with archive.open("content.xml") as stream:
        parse_stream(stream, document, Path(str(archive.filename)))
    for name, rows in document.sheets:
        yield name, iter(rows)


class _OpenDocument(Handler):
    """The sheets of content.xml."""

    def __init__(self) -> None:
        super().__init__()
        self.sheets: list[tuple[str, list[Row]]] = []
        self._row: list[str] = []
        self._number = self._rows = self._blank = self._cells = 0  # rows: how often the row occurs
        self._cell: dict[str, str] | None = None
        self._lines: list[str] = []
        self._ignored = 0  # depth of a comment, or of a table in a cell

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if self._ignored or name == "annotation" or (name == "table" and self._cell is not None):
            self._ignored += 1
        elif name == "table":
            self.sheets.append((attributes.get("name", ""), []))
            self._number = 0
        elif name == "table-row" and self.sheets:
            self._row, self._blank, self._rows = [], 0, _times(attributes, "number-rows-repeated")
        elif name in ("table-cell", "covered-table-cell"):
            self._cell, self._lines = attributes, []
        elif name == "p" and self._cell is not None:
            self._lines.append("")
        elif name in ("s", "tab", "line-break"):
            blank = {"s": " " * min(_times(attributes, "c"), 1000), "tab": "\t"}.get(name, "\n")
            self.text(blank)

    def text(self, content: str) -> None:
        if self._lines and not self._ignored:
            self._lines[-1] += content

    def end(self, name: str) -> None:
        if self._ignored:
            self._ignored -= 1
        elif name in ("table-cell", "covered-table-cell") and self._cell is not None:
            value, times = self._value(self._cell), _times(self._cell, "number-columns-repeated")
            if value.strip():
                if len(self._row) + self._blank + times > MOST_COLUMNS:
                    raise ValueError(f"a row has more than {MOST_COLUMNS:,} columns")
                self._row += [""] * self._blank + [value] * times
                self._blank = 0
            else:
                self._blank += times
            self._cell = None
        elif name == "table-row" and self.sheets:
            if self._row:
                self._cells += self._rows * len(self._row)
                if self._cells > MOST_CELLS or self._number + self._rows > MOST_ROWS:
                    raise ValueError(f"it has more than {MOST_ROWS:,} rows or {MOST_CELLS:,} cells")
                numbers = range(self._number + 1, self._number + self._rows + 1)
                self.sheets[-1][1].extend((number, list(self._row)) for number in numbers)
            self._number += self._rows

    def _value(self, cell: dict[str, str]) -> str:
        shown, kind = "\n".join(self._lines), cell.get("value-type", "string")
        if kind == "time" and (found := _DURATION.fullmatch(cell.get("time-value", ""))):
            days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
            return _clock(86_400 * days + 3600 * hours + 60 * minutes + seconds, shown.count(":") != 1)
        if kind == "date":
            return cell.get("date-value", shown)
        if kind in ("float", "percentage", "currency"):
            try:
                value = number(float(cell.get("value", shown)))
            except (ValueError, OverflowError):
                return shown
            return shown if shown.isdigit() and shown.lstrip("0") == value else value
        return shown


def _times(attributes: dict[str, str], name: str) -> int:
    """How often something is repeated."""
    text = attributes.get(name, "1")
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII):
        raise ValueError(f"{name} is {text[:20]!r}")
    return int(text)
