"""What people write into the cells of a table, as it was meant; what is guessed is counted, to be said."""

from __future__ import annotations

import logging
import math
import os
import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path, PureWindowsPath

from seds.corpora.subtitles.cues import seconds
from seds.messages import printable

_COMMA = re.compile(r"-?\d+,\d+", re.ASCII)

log = logging.getLogger(__name__)


class Guesses:
    """How often something was not read as it stands, with the first case of each sort."""

    def __init__(self) -> None:
        self._cases: dict[str, list[tuple[str, str]]] = defaultdict(list)

    def note(self, what: str, given: str, meant: str) -> None:
        """Count a case, such as ("start_s", "1,5", "1.5")."""
        self._cases[what].append((given, meant))

    def say(self, file: Path) -> None:
        """Log a line a sort."""
        for what, cases in self._cases.items():
            given, meant = cases[0]
            values = "1 value" if len(cases) == 1 else f"{len(cases):,} values"
            log.info("%s: %s: %s such as %s read as %s", file, what, values, printable(given, 80), printable(meant, 80))


def has_decimal_commas(column: Iterable[str]) -> bool:
    """Whether numbers of a column have commas for points: in one that has points as well, they may part thousands."""
    values = list(column)
    return any(map(_COMMA.fullmatch, values)) and not any("." in value for value in values)


def number(text: str, column: str, decimal_comma: bool, guesses: Guesses) -> float:
    """A number, or a time as [hours:]minutes:seconds in s; NaN for "". Raises ValueError for other text."""
    if not text:
        return math.nan
    if decimal_comma and _COMMA.fullmatch(text):
        guesses.note(column, text, text.replace(",", "."))
        return float(text.replace(",", "."))
    if ":" in text and (since := seconds(text)) is not None:
        guesses.note(column, text, f"{since:g} s")
        return since
    return float(text)


def windows_path(path: str, folder: Path, guesses: Guesses) -> str:
    r"""A path of Windows, clips\a.mp4, with slashes; of an absolute one, C:\mine\clips\a.mp4, the end that is there.

    Paths that exist in `folder` as they stand are no such paths.
    """
    is_absolute = bool(re.match(r"[A-Za-z]:[\\/]", path))
    if not (is_absolute or "\\" in path) or os.path.lexists(folder / path):
        return path
    parts = [part for part in PureWindowsPath(path).parts if not re.search(r"[:\\/]", part)]
    ends = ["/".join(parts[i:]) for i in range(len(parts))] if is_absolute else []
    found = next((end for end in ends if ".." not in end.split("/") and os.path.lexists(folder / end)), None)
    meant = found or path.replace("\\", "/")
    guesses.note("path", path, meant)
    return meant
