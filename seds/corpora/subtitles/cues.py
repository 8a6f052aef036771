"""A cue, and how subtitles write times."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

TIME = r"(?:\d{1,4}:)?\d{1,4}:\d{1,2}(?:[.,:]\d{1,9})?"
_TIME = re.compile(r"(?:(\d{1,4}):)?(\d{1,4}):(\d{1,2})(?:[.,](\d{1,9}))?", re.ASCII)
_COLON = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2}):(\d{3})", re.ASCII)  # milliseconds behind a colon
_MARKUP = re.compile(r"</?[A-Za-z][^<>]*>|<[\d:.]+>|\{\\[^{}]*\}")
_BREAKS = {"\\N": "\n", "\\n": "\n", "\\h": " "}


@dataclass(frozen=True)
class Cue:
    """Text that is shown from start_s to end_s. place: where in the file, such as "12" for a line, "event 12".

    problem: "", or why it makes no sense; then the rest may be anything.
    """

    place: str
    start_s: float
    end_s: float
    text: str
    problem: str = ""


def bad(place: str | int, problem: str, text: str = "") -> Cue:
    """A cue that makes no sense."""
    return Cue(str(place), 0.0, 0.0, text, problem)


def seconds(text: str) -> float | None:
    """[hours:]minutes:seconds, with a fraction behind a point, a comma or a third colon; None for other text."""
    text = text.strip()
    found = _TIME.fullmatch(text) or _COLON.fullmatch(text)
    if not found:
        return None
    hours, minutes, whole, fraction = found.groups(default="")
    return round(int(hours or 0) * 3600 + int(minutes) * 60 + int(whole) + float(f"0.{fraction or 0}"), 9)


def plain(text: str) -> str:
    """The text without tags, override codes and entities."""
    for code, meant in _BREAKS.items():
        text = text.replace(code, meant)
    return html.unescape(_MARKUP.sub("", text))
