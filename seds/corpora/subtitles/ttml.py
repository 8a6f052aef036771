"""Timed Text Markup Language (.ttml, .dfxp): paragraphs with begin and end or dur, counted from their parents' begin.

Times are clock times, also with frames, or numbers of h, m, s, ms, f (frames) or t (ticks) (W3C TTML2, 12.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from seds.corpora import safe_xml
from seds.corpora.subtitles.cues import Cue, bad
from seds.messages import printable

_CLOCK = re.compile(r"(\d{1,4}):(\d{1,2}):(\d{1,2})(?:\.(\d{1,9})|:(\d{1,4})(?:\.\d+)?)?", re.ASCII)
_OFFSET = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(h|ms|m|s|f|t)", re.ASCII)
_TIMED = ("body", "div", "p")


def read(file: Path) -> Iterator[Cue]:
    """The cues of a file. Raises XmlError and ContentError."""
    handler = _Paragraphs()
    safe_xml.parse(file, handler)
    if not handler.is_ttml:
        handler.cues.append(bad(1, "expected an element tt with a body, as TTML has"))
    yield from handler.cues


class _Paragraphs(safe_xml.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.cues: list[Cue] = []
        self.is_ttml = False
        self.frame_rate, self.ticks = Fraction(30), Fraction(1)
        self.begins = [Fraction(0)]  # of the elements that this one is in
        self.paragraph: tuple[int, str | None, str | None, str | None] | None = None  # line, begin, end, dur
        self.words: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "tt":
            self._rates(attributes)
        if name in _TIMED:
            self.is_ttml |= name == "body"
            self.begins.append(self.begins[-1] + (self._time(attributes.get("begin", "0s")) or 0))
        if name == "p":
            self.paragraph = self.line, attributes.get("begin"), attributes.get("end"), attributes.get("dur")
            self.words = []
        elif name == "br":
            self.words.append("\n")

    def text(self, content: str) -> None:
        if self.paragraph:
            self.words.append(re.sub(r"\s+", " ", content))

    def end(self, name: str) -> None:
        if name == "p" and self.paragraph:
            self._finish(*self.paragraph)
            self.paragraph = None
        if name in _TIMED:
            self.begins.pop()

    def _finish(self, line: int, begin: str | None, end: str | None, dur: str | None) -> None:
        text = re.sub(r" *\n *", "\n", re.sub(r" +", " ", "".join(self.words))).strip()
        start = self._time(begin or "0s")
        last = self._time(end) if end is not None else self._time(dur) if dur is not None else None
        if start is None or last is None:
            if text:
                times = {"begin": begin, "end": end, "dur": dur}
                self.cues.append(bad(line, f"expected begin and end or dur, got {printable(repr(times), 120)}", text))
            return
        stop = self.begins[-2] + last if end is not None else self.begins[-1] + last
        self.cues.append(Cue(str(line), float(self.begins[-1]), float(stop), text))

    def _rates(self, attributes: dict[str, str]) -> None:
        """The frame rate and the ticks per second that the root gives."""
        try:
            over, under = map(
                int, re.split(r"[\s:]+", attributes.get("frameRateMultiplier", "1 1").strip(), maxsplit=1)
            )
            rate = Fraction(int(attributes.get("frameRate", "30"))) * Fraction(over, under)
            ticks = (
                int(attributes["tickRate"]) if "tickRate" in attributes else rate if "frameRate" in attributes else 1
            )
            if rate > 0 and ticks > 0:
                self.frame_rate, self.ticks = rate, Fraction(ticks)
        except (ValueError, ZeroDivisionError):
            pass  # the defaults of the standard

    def _time(self, text: str) -> Fraction | None:
        """Seconds; None for what is no time."""
        text = text.strip()
        if found := _CLOCK.fullmatch(text):
            hours, minutes, whole, fraction, frames = found.groups()
            time = Fraction(int(hours) * 3600 + int(minutes) * 60 + int(whole))
            return time + (Fraction(f"0.{fraction}") if fraction else Fraction(int(frames or 0)) / self.frame_rate)
        if found := _OFFSET.fullmatch(text):
            units = {"h": Fraction(3600), "m": Fraction(60), "s": Fraction(1), "ms": Fraction(1, 1000)}
            return Fraction(found[1]) * (units | {"f": 1 / self.frame_rate, "t": 1 / self.ticks})[found[2]]
        return None
