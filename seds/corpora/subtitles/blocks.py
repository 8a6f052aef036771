"""SubRip (.srt) and WebVTT (.vtt): a line with two times, then lines of text.

What is read beyond their rules: times of either format in both, a missing header, cues without a blank line between
them, and cues on one line, `00:01.000 00:02.500 text`. YouTube's automatic captions, which repeat a line while the next
one grows word by word, give each line once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from seds.corpora.subtitles.cues import TIME, Cue, bad, plain, seconds
from seds.messages import printable

Line = tuple[int, str]  # its number, from 1

_ARROW = re.compile(r"(?:-{1,3}|[–—])(?:>|&gt;)|→")
_SETTINGS = re.compile(r"(?:\s*(?:align|line|position|region|size|vertical|[XY][12]):\S*)*\s*", re.IGNORECASE)
_ONE_LINE = re.compile(rf"\s*({TIME})[ \t]+({TIME})[ \t]+(\S.*)", re.ASCII)
_WORD_TIME = re.compile(r"<\d+:\d\d:\d\d\.\d{3}>", re.ASCII)
_NOTES = ("NOTE", "STYLE", "REGION")


def srt(text: str) -> Iterator[Cue]:
    """The cues of a SubRip file."""
    return _cues(text, is_vtt=False)


def vtt(text: str) -> Iterator[Cue]:
    """The cues of a WebVTT file."""
    return _cues(text, is_vtt=True)


def _cues(text: str, is_vtt: bool) -> Iterator[Cue]:
    lines = list(enumerate(re.split(r"\r\n|\r|\n", text), start=1))
    timings = [(i, timing) for i, (_, line) in enumerate(lines) if (timing := _timing(line))]
    starts = [i for i, _ in timings]
    ends = [*starts[1:], len(lines)][: len(starts)]
    head = _without_id(lines[: starts[0] if starts else len(lines)], is_vtt, bool(starts))
    yield from _stray([line for block in _blocks(head) if not _is_header(block) for line in [*block, (0, "")]])
    rolls, shown = bool(_WORD_TIME.search(text)), ""
    for (i, (start, end, rest)), stop in zip(timings, ends, strict=True):
        place, line = lines[i]
        body, stray = _body(lines[i + 1 : stop], is_vtt, stop < len(lines))
        words = [part for part in (rest, *(line for _, line in body)) if part.strip()]
        if rolls:
            bare = [plain(line).strip() for line in words]
            words = [line for k, line in enumerate(words) if k or bare[k] != shown]
            shown = bare[-1] if bare else shown
            if bare and not words:
                continue
        if start is None or end is None:
            yield bad(place, f"expected two times, got {printable(line.strip(), 80)!r}", plain("\n".join(words)))
        else:
            yield Cue(str(place), start, end, plain("\n".join(words)).strip())
        yield from _stray(stray)


def _timing(line: str) -> tuple[float | None, float | None, str] | None:
    """(start, end, text behind them) of a line with times; None for one of text. A time that makes no sense is None."""
    arrow = _ARROW.search(line)
    if arrow:
        before, after = line[: arrow.start()].split(), line[arrow.end() :].strip().split(None, 1)
        start, end = seconds(before[-1]) if before else None, seconds(after[0]) if after else None
        if start is None and end is None and not (len(before) == 1 and before[0][:1].isdigit()):
            return None
        rest = after[1] if len(after) > 1 else ""
        return start, end, "" if _SETTINGS.fullmatch(rest) else rest
    found = _ONE_LINE.match(line)
    return (seconds(found[1]), seconds(found[2]), found[3]) if found else None


def _without_id(lines: Sequence[Line], is_vtt: bool, followed: bool) -> Sequence[Line]:
    """The lines between two timings without the number or name that belongs to the second."""
    last = max((i for i, (_, line) in enumerate(lines) if line.strip()), default=None)
    if not followed or last is None:
        return lines
    adjacent, alone = last == len(lines) - 1, last == 0 or not lines[last - 1][1].strip()
    is_number = lines[last][1].strip().isdigit()
    if (is_number and (adjacent or alone)) or (is_vtt and adjacent and alone and last > 0):
        return lines[:last]
    return lines


def _body(lines: Sequence[Line], is_vtt: bool, followed: bool) -> tuple[list[Line], list[Line]]:
    """The lines of a cue's text, and others that belong to nothing. In SubRip, a text may have blank lines."""
    blocks = _blocks(_without_id(lines, is_vtt, followed))
    if not is_vtt:
        return [line for block in blocks for line in block], []
    if blocks and blocks[0][0][1].split()[0] in _NOTES and blocks[0][0] != lines[0]:
        return [], [line for block in blocks for line in [*block, (0, "")]]
    return (blocks[0] if blocks else []), [line for block in blocks[1:] for line in [*block, (0, "")]]


def _blocks(lines: Sequence[Line]) -> list[list[Line]]:
    """Runs of lines that are not blank."""
    blocks: list[list[Line]] = [[]]
    for line in lines:
        if line[1].strip():
            blocks[-1].append(line)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _is_header(block: Sequence[Line]) -> bool:
    return block[0][1].startswith("WEBVTT")


def _stray(lines: Sequence[Line]) -> Iterator[Cue]:
    """A cue with a problem for each block that is neither text of a cue, nor a note."""
    for block in _blocks(lines):
        text = "\n".join(line for _, line in block)
        if text.split()[0] not in _NOTES and not text.strip().isdigit():
            yield bad(block[0][0], f"text without a time: {printable(text, 80)!r}", plain(text))
