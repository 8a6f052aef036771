"""YouTube's own subtitles (.json3): {"events": [{"tStartMs", "dDurationMs", "segs": [{"utf8"}]}]}.

Of automatic captions, an event lasts until the line has rolled out of sight, long after the next one began; it ends
here where the next begins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from seds.corpora.subtitles.cues import Cue, bad
from seds.messages import printable


def read(text: str) -> Iterator[Cue]:
    """The cues of a file. Events without text, which place windows on the screen, are none."""
    try:
        content = json.loads(text)
        events = content["events"]
        if not isinstance(events, list):
            raise TypeError
    except (ValueError, RecursionError) as error:
        yield bad(getattr(error, "lineno", 1), f"is no JSON: {printable(str(error), 80)}")
        return
    except (KeyError, TypeError):
        yield bad(1, 'expected {"events": [...]}, as YouTube writes it')
        return
    cues = [cue for number, event in enumerate(events, start=1) if (cue := _cue(f"event {number}", event))]
    rolls = isinstance(content, dict) and any(isinstance(e, dict) and e.get("aAppend") for e in events)
    for cue, after in zip(cues, [*cues[1:], None], strict=True):
        overlaps = after is not None and not after.problem and cue.start_s < after.start_s < cue.end_s
        yield Cue(cue.place, cue.start_s, after.start_s, cue.text) if rolls and overlaps and after else cue


def _cue(place: str, event: Any) -> Cue | None:
    if not isinstance(event, dict) or not isinstance(event.get("segs", []), list):
        return bad(place, f"expected an object with segs, got {printable(repr(event), 80)}")
    words = [part.get("utf8", "") if isinstance(part, dict) else "" for part in event.get("segs", [])]
    text = "".join(map(str, words)).strip()
    if not text:
        return None
    try:
        start, length = float(event["tStartMs"]), float(event["dDurationMs"])
        if not (math.isfinite(start) and math.isfinite(length)):
            raise ValueError
    except (KeyError, TypeError, ValueError, OverflowError):
        found = {name: event.get(name) for name in ("tStartMs", "dDurationMs")}
        return bad(place, f"expected tStartMs and dDurationMs in ms, got {printable(repr(found), 80)}", text)
    return Cue(place, start / 1000, (start + length) / 1000, text)
