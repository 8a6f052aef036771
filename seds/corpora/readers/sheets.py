"""Tables that users make: CSV, TSV, Excel, OpenDocument or Parquet, as spreadsheets and scripts write them.

A CSV is UTF-8 or UTF-16, with or without a byte order mark, else taken to be Windows-1252, and may be compressed
(gzip). Its fields are separated by commas, semicolons, tabs or bars, or by what a first line `sep=;` names, and may
stand in double quotes. Fields that are separated by tabs are read without quoting where their quotation marks do not
make sense as such, and the header has none. Of a workbook, the first sheet that has the columns is read.

Columns are known by their letters and digits, whatever their case: "Start (S)" is start_s.
"""

from __future__ import annotations

import gzip
import logging
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from seds.corpora.contents import ContentError, decode
from seds.corpora.readers import workbooks
from seds.corpora.readers.parquet import read_texts
from seds.corpora.readers.quoting import Record, UnclosedError, lines, records, trim, unquoted_records
from seds.messages import printable
from seds.tables import TableError

SUFFIXES = (".csv", ".tsv", *workbooks.SUFFIXES, ".parquet")
MOST_BYTES = 500_000_000  # of a CSV, unpacked
_DELIMITERS = ",;\t|"
_NAMED_DELIMITER = re.compile(r'"?sep=(.)"?[^\S\r\n]*(\r\n|\r|\n)', re.IGNORECASE)  # Excel's own
# What a file or an id looks like and a word of a text does not: clips/a, a.mp4, S1_P2, S0001.
_NAME = re.compile(r"\S*[_/\\]\S*|\S+\.[A-Za-z]\w*|(?=\S*[A-Za-z])(?=\S*\d)\S+")

Known = Callable[[str], bool]

log = logging.getLogger(__name__)


def read(
    file: Path,
    needed: Sequence[str],
    optional: Sequence[str],
    names: Mapping[str, Known] | None = None,
    *,
    only_known: bool = False,
) -> Iterator[dict[str, str]]:
    """One record per row, of the columns that are there; an invalid row says why under "problem". Blank lines are
    skipped.

    Unknown columns are ignored and logged, as is what was guessed. names: columns that say which video
    a row is about, each with a test whether there is one of that name; by the first that the table has, rows are told
    from the lines of a text (default: the first needed column). only_known: rows with other names do not matter, so
    that a line with as many fields as a row may yet be one of a text. Raises TableError, naming the file, if it is
    unreadable, lacks a needed column, or has a quotation mark that swallows rows.
    """
    if file.suffix.lower() == ".parquet":
        return iter(read_texts(file, lambda names: _columns(names, file, needed, optional), (*needed, *optional)))
    if file.suffix.lower() in workbooks.SUFFIXES:
        return _workbook(file, needed, optional)
    return _csv(file, needed, optional, names or {needed[0]: lambda name: False}, only_known)


def exists(path: Path) -> bool:
    """Whether there is a table of that name: a file, or a folder of Parquet files."""
    return path.is_file() or (path.is_dir() and path.suffix.lower() == ".parquet")


def _workbook(file: Path, needed: Sequence[str], optional: Sequence[str]) -> Iterator[dict[str, str]]:
    problem = None
    for title, rows in workbooks.sheets(file):
        _, first = next(rows, (1, []))
        try:
            header = _columns(first, file, needed, optional)
        except TableError as error:
            problem = problem or error
            continue
        log.info("%s: reading the sheet %s", file, printable(title, 80))
        for _, row in rows:
            cells = zip(header, [*row, *[""] * len(header)], strict=False)
            record = {name: cell for name, cell in cells if name in (*needed, *optional)}
            if any(map(trim, row)):
                yield record
        return
    raise problem or TableError(f"{file} has no sheet")


def _csv(
    file: Path, needed: Sequence[str], optional: Sequence[str], names: Mapping[str, Known], only_known: bool
) -> Iterator[dict[str, str]]:
    text, before = _content(file), 0  # lines
    if named := _NAMED_DELIMITER.match(text):
        text, before = text[named.end() :], 1
    rows, physical = list[Record](), lines(text)
    delimiter = named[1] if named else _delimiter(physical[0], {*needed, *optional})
    unclosed = None
    try:
        rows.extend(records(text, delimiter))
    except UnclosedError as error:
        unclosed = error.line
    header = _columns(rows[0].fields if rows else [], file, needed, optional)
    name = next((name for name in names if name in header), None)
    by_shape = not only_known and not any(map(_is_spaced, physical[0].split(delimiter)[1:]))

    def is_row(line: str) -> bool:
        return name is not None and (
            _is_row(line.split(delimiter), header, name, names[name])
            or (by_shape and _is_written_as_row(line, header, delimiter))
        )

    def swallows(row: Record) -> bool:
        return row.last > row.first and sum(map(is_row, physical[row.first - 1 : row.last])) > 1

    def misread(row: Record) -> bool:
        own = physical[row.first - 1 : row.last]
        split = len(row.fields) != len(header) and all(len(line.split(delimiter)) == len(header) for line in own)
        return bool(row.problem) or split or swallows(row)

    if delimiter == "\t" and '"' not in physical[0] and (unclosed or any(map(misread, rows))):
        rows, unclosed = list(unquoted_records(text, delimiter)), None
    if unclosed:
        raise TableError(f"{file}:{before + unclosed}: a quotation mark is opened here and never closed")
    for row in rows[1:]:
        if swallows(row):
            raise TableError(
                f"{file}:{before + row.first}-{before + row.last}: a quotation mark that is opened in the first of "
                "these lines is closed in the last, and would make one text of several rows; put a text with a "
                "quotation mark in it in double quotes, and double the mark"
            )
        place = f"{file}:{before + row.first}" + (f"-{before + row.last}" if row.last > row.first else "")
        yield from _record(row, place, header, {*needed, *optional}, delimiter)


def _delimiter(header: str, known: set[str]) -> str:
    """What separates the most known names of the first line, first of those that stand there as they are."""

    def names(delimiter: str) -> tuple[int, int, int]:
        found = [trim(trim(name).strip('"')).lower() for name in header.split(delimiter)]
        return len(set(found) & known), len(set(map(_key, found)) & set(map(_key, known))), len(found)

    return max(_DELIMITERS, key=names)


def _key(name: str) -> str:
    """What a column is known by."""
    return "".join(filter(str.isalnum, name.casefold()))


def _record(row: Record, at: str, header: Sequence[str], known: set[str], delimiter: str) -> Iterator[dict[str, str]]:
    """What a row says; nothing if it is blank, as those that spreadsheets leave at the end."""
    record = {name: field for name, field in zip(header, row.fields, strict=False) if name in known}
    if row.problem:
        yield record | {"problem": f"{at}: {row.problem}; double the quotation marks within quotes"}
    elif any(map(trim, row.fields)):
        if len(row.fields) != len(header):
            record["problem"] = (
                f"{at}: {len(row.fields)} fields, expected {len(header)}; a text with {delimiter!r} in it "
                'has to be in double quotes (")'
            )
        yield record


def _is_row(fields: Sequence[str], header: Sequence[str], column: str, is_known: Known) -> bool:
    """Whether a line, split at every delimiter, names a video where a row does.

    Delimiters in a text move the fields behind it, so those are counted from the end.
    """
    at = header.index(column)
    if "text" in header and at > header.index("text"):
        at += len(fields) - len(header)
    if not 0 <= at < len(fields):
        return False
    name = trim(trim(fields[at]).strip('"'))
    return bool(name.strip("./")) and (is_known(name) or (len(fields) >= len(header) and bool(_NAME.fullmatch(name))))


def _is_written_as_row(line: str, header: Sequence[str], delimiter: str) -> bool:
    """Whether a line has as many fields as the header and, unlike prose, no space after a delimiter."""
    try:
        parsed = list(records(line, delimiter))
    except UnclosedError:
        parsed = []
    fields = parsed[0].fields if len(parsed) == 1 and not parsed[0].problem else line.split(delimiter)
    return len(fields) == len(header) > 1 and not any(map(_is_spaced, fields[1:]))


def _is_spaced(field: str) -> bool:
    return field != field.lstrip()


def _content(file: Path) -> str:
    """The text of a file. Raises TableError."""
    try:
        with gzip.open(file) if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            content = stream.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise TableError(f"{file} has more than the {MOST_BYTES:,} bytes that are read of a CSV; make it Parquet")
        text, encoding = decode(content, file)
    except ContentError as error:
        raise TableError(str(error)) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise TableError(f"{file} is not a whole gzip file: {error}") from None
    if encoding == "cp1252":
        odd = next(re.finditer(r"\S*[^\x00-\x7f]\S*", text))[0]
        log.warning(
            "%s is not UTF-8; read as Windows-1252, with %s in it. If that is wrong, save it as CSV UTF-8", file,
            printable(odd, 40),
        )  # fmt: skip
    return text


def _columns(names: Iterable[str], file: Path, needed: Sequence[str], optional: Sequence[str]) -> list[str]:
    """What the table's columns are called here. Raises TableError for one that is missing or occurs twice."""
    columns = [trim(name).lower() for name in names]
    known = {_key(name): name for name in (*needed, *optional)}
    for i, name in enumerate(columns):
        if (meant := known.get(_key(name))) and meant not in columns:
            log.info("%s: column %s is read as %s", file, printable(name, 80), meant)
            columns[i] = meant
    missing = [name for name in needed if name not in columns]
    if missing:
        raise TableError(
            f"{file}: no column {' and no column '.join(missing)}; it has {printable(', '.join(columns)) or 'none'}"
        )
    repeated = sorted({name for name in (*needed, *optional) if columns.count(name) > 1})
    if repeated:
        raise TableError(f"{file}: column {repeated[0]} occurs twice")
    unknown = [name for name in columns if name not in (*needed, *optional)]
    if unknown:
        log.info("%s: ignored columns: %s (known: %s)", file, ", ".join(unknown), ", ".join((*needed, *optional)))
    return columns
