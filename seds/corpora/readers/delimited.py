"""Annotation files with one row per line and a separator between fields; a bad line costs only itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from seds.corpora.readers.quoting import Record, UnclosedError, records, trim
from seds.messages import printable
from seds.tables import TableError

_SEPARATORS = {"\t": "a tab", "|": "'|'", ",": "a comma"}


@dataclass(frozen=True)
class Row:
    """A line's fields by column. problem: "", or what is wrong with the line; then fields that it lacks are empty."""

    line: str  # file:number
    fields: dict[str, str]
    problem: str


def read(file: Path, separator: str, *headers: Sequence[str], quoted: bool = False) -> Iterator[Row]:
    """The rows of a UTF-8 file whose first line is one of `headers`, in that order; blank lines are skipped.

    A line ends at a line feed only, with or without a carriage return: a text may contain any other character that
    counts as a line break elsewhere. quoted: a field may be in quotation marks, with those inside it doubled. It cannot
    span lines, or one unclosed mark would swallow the rest of the file. Raises TableError if the file or its header
    cannot be read.
    """
    try:
        lines = file.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as error:
        raise TableError(f"{file} cannot be read: {error.strerror}") from None
    try:
        header = tuple(map(trim, _split(lines[0], separator, quoted)))
    except ValueError as error:
        raise TableError(f"{file}:1: {error}") from None
    if header not in map(tuple, headers):
        expected = " or ".join(", ".join(names) for names in headers)
        raise TableError(
            f"{file}:1: expected the columns {expected}, separated by {_SEPARATORS[separator]}; "
            f"got {printable(', '.join(header))}"
        )
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        at, fields, problem = f"{file}:{number}", [], ""
        try:
            fields = _split(line, separator, quoted)
            if len(fields) != len(header):
                problem = (
                    f"{at}: expected {len(header)} fields separated by {_SEPARATORS[separator]}, "
                    f"got {len(fields)}: {printable(separator.join(fields))}"
                )
        except ValueError as error:
            problem = f"{at}: {error}"
        padded = [*fields, *[""] * len(header)]
        yield Row(at, dict(zip(header, padded, strict=False)), problem)


def _split(line: bytes, separator: str, quoted: bool) -> list[str]:
    """The fields of a line. Raises ValueError."""
    try:
        text = line.removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"is not UTF-8: {error.reason} at byte {error.start}") from None
    if not quoted:
        return text.split(separator)
    try:
        # A carriage return inside would end a record, and in a single line can only be part of a text.
        record = next(records(text.replace("\r", " "), separator), Record(1, 1, [""]))
        problem = record.problem
    except UnclosedError:
        problem = "unexpected end of data"
    if problem:
        raise ValueError(f"{problem}; is a quotation mark not closed? {printable(text)}")
    return record.fields
