"""SubStation Alpha (.ass, .ssa), read by pysubs2. Comments and drawings are no text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pysubs2 import SSAEvent, SSAFile

from seds.corpora.subtitles.cues import Cue, bad
from seds.messages import printable

_EVENT = re.compile(r"(Dialogue|Comment)\s*:", re.IGNORECASE)
_HEAD = "[Script Info]\nScriptType: v4.00+\n\n[Events]\n"


def read(text: str) -> Iterator[Cue]:
    """The cues of a file."""
    lines = re.split(r"\r\n|\r|\n", text)
    places = [number for number, line in enumerate(lines, start=1) if _EVENT.match(line)]
    if not places:
        yield bad(1, "has no line that begins with Dialogue:")
    events: list[SSAEvent] | None = _events(text)
    if events is not None and len(events) == len(places):
        for place, event in zip(places, events, strict=True):
            yield from _cue(place, event)
        return
    for place in places:  # one by one, to find those that make no sense
        one = _events(f"{_HEAD}{lines[place - 1]}\n")
        if one is None or len(one) != 1:
            yield bad(place, f"expected a line of ten fields and two times, got {printable(lines[place - 1], 80)!r}")
        else:
            yield from _cue(place, one[0])


def _events(text: str) -> list[SSAEvent] | None:
    try:
        return list(SSAFile.from_string(text, format_="ass"))
    except Exception:  # pysubs2 raises several kinds for what it cannot read
        return None


def _cue(place: int, event: SSAEvent) -> Iterator[Cue]:
    if not event.is_comment and not event.is_drawing:
        yield Cue(str(place), event.start / 1000, event.end / 1000, event.plaintext.strip())
