"""The records of a text with delimiters between fields, as people and programs write them (RFC 4180 and its dialects).

A field may stand in double quotes, with white space around them, and then hold delimiters, line breaks and doubled
quotation marks. A mark that was not meant so, or that its writer forgot to close, makes one record of many: a record
knows its lines, so that whoever reads it can see what it holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

# White space and characters without a width, which no eye sees at the ends of a field.
_INVISIBLE = "\u200b\u200e\u200f\u2060\ufeff"
_BREAK = re.compile(r"\r\n|\r|\n")
_EDGES = re.compile(rf"^[\s{_INVISIBLE}]+|[\s{_INVISIBLE}]+$")


@dataclass(frozen=True)
class Record:
    """The fields of lines first to last, counted from 1. problem: why they are not all there, or ""."""

    first: int
    last: int
    fields: list[str]
    problem: str = ""


class UnclosedError(ValueError):
    """A quotation mark is opened and never closed. `line` is where, counted from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"a quotation mark is opened in line {line} and never closed")
        self.line = line


def trim(text: str) -> str:
    """The text without white space of any sort, and without characters that have no width, at its ends."""
    return _EDGES.sub("", text)


def lines(text: str) -> list[str]:
    """The lines of a text without their ends: only carriage returns and line feeds end one."""
    return _BREAK.split(text)


def records(text: str, delimiter: str) -> Iterator[Record]:
    """The records of a text whose fields may be quoted. After text behind a closing mark, the next line begins a new
    one. Raises UnclosedError.
    """
    quoted, plain, opened = _patterns(delimiter)
    at, line = 0, 1
    while at < len(text):
        start, first, fields, problem = at, line, list[str](), ""
        while True:
            if match := quoted.match(text, at):
                fields.append(match[1].replace('""', '"'))
            elif match := opened.match(text, at):
                if match[2] is None:
                    raise UnclosedError(first + _breaks(text[start : match.start(1)]))
                problem = f"{delimiter!r} expected after '\"'"
                break
            else:
                match = plain.match(text, at)
                assert match  # it also matches nothing
                fields.append(match[0])
            at = match.end()
            if text[at : at + 1] != delimiter:
                break
            at += 1
        end = _BREAK.search(text, match.end())
        last = first + _breaks(text[start : end.start() if end else len(text)])
        yield Record(first, last, fields, problem)
        at, line = end.end() if end else len(text), last + 1


def unquoted_records(text: str, delimiter: str) -> Iterator[Record]:
    """The records of a text without quoting, one a line. A field with doubled marks was quoted nonetheless."""
    for number, line in enumerate(lines(text), start=1):
        yield Record(number, number, [_undoubled(field) for field in line.split(delimiter)])


def _undoubled(field: str) -> str:
    inside = field[1:-1]
    doubled = field == f'"{inside}"' and '""' in inside and '"' not in inside.replace('""', "")
    return inside.replace('""', '"') if doubled else field


def _breaks(text: str) -> int:
    return sum(1 for _ in _BREAK.finditer(text))


@cache
def _patterns(delimiter: str) -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """A whole quoted field, 1 its content; an unquoted one; one that opens with a mark, which is 1, and 2 its content
    if it closes.
    """
    end = rf"\r\n{re.escape(delimiter)}"
    blank = rf"(?:[^\S{end}]|[{_INVISIBLE}])*+"
    content = r'((?:[^"]|"")*+)"'
    return (
        re.compile(rf'{blank}"{content}{blank}(?=[{end}]|\Z)'),
        re.compile(rf"[^{end}]*+"),
        re.compile(rf'{blank}(")(?:{content})?'),
    )
