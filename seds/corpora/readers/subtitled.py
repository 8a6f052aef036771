"""Long videos with subtitles: each cue, or several that make a sentence, is a cut of its video.

A file of subtitles (seds.corpora.subtitles.SUFFIXES) belongs to the video with its stem, beside it or elsewhere in the
corpus's folder, with or without a language between stem and suffix: talk.mp4 and talk.srt, videos/x.mp4 and
subtitles/x.en.vtt. <stem>/signhd.vtt belongs to the video <stem>, too (BOBSL). Videos without subtitles are no rows.

Parameters of the corpus's entry in params.yaml, all off by default:

    language    which of several subtitles are read; default: English, or the commonest
    offset_s    added to all times: signing that interprets speech lags behind it
    join_s      cues that continue a sentence are joined, if the pause between them is not longer
    shortest_s  cuts that are shorter, or longer than longest_s, are left out
    unsigned    a regular expression: cues of which it matches the whole text are left out; default: those that are
                nothing but sounds or notes in brackets, or begin with a musical note

Cues that say nothing, or that these parameters leave out, are counted. A cue that makes no sense stays a row, with file
and line in its problem.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds.config import ConfigError, Dataset
from seds.corpora import subtitles
from seds.corpora.contents import ContentError
from seds.corpora.media import Files
from seds.corpora.readers import cuts
from seds.corpora.readers.languages import CODES, language_code
from seds.corpora.readers.texts import clean
from seds.corpora.safe_xml import XmlError
from seds.corpora.subtitles.cues import Cue, bad
from seds.messages import printable, summarise_skipped
from seds.tables import TableError

LANGUAGE = "en"
_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")
_KINDS = frozenset(("auto", "cc", "default", "forced", "sdh", "hi"))  # between language and suffix
UNSIGNED = (
    r"[\s\W_]*|[\s>-]*(?:\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|（[^）]*）|［[^］]*］|【[^】]*】)"
    r"(?:[\s.…,-]*(?:\[[^\]]*\]|\([^)]*\)|\{[^}]*\}|（[^）]*）|［[^］]*］|【[^】]*】))*[\s.…]*|\W*[♪♫♩♬].*"
)
_JOINED_S = 30.0  # s, longest of joined cues where longest_s is null: a file may have no punctuation at all
_SENTENCE_ENDS = re.compile(r"(?<![.…])[.!?。！？؟।][\"'”’»)\]]*$")
_CONTINUED = re.compile(r"^(?:\.{2,}|…)\s*")
_CONTINUES = re.compile(r"\s*(?:\.{2,}|…)$")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Track:
    """A file of subtitles. video: the file it belongs to, or where that was expected; language: "" if unknown."""

    path: PurePosixPath
    video: PurePosixPath
    found: bool
    language: str


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the folder `root`. Raises TableError if there is no subtitle file in it."""
    files = Files.below(root, *subtitles.SUFFIXES)
    if not files.others:
        raise TableError(
            f"{root}: expected subtitles ({', '.join(subtitles.SUFFIXES)}) of the videos in it, found none"
        )
    tracks = [track_of(path, files) for path in files.others]
    rows, groups = sentences(root, dataset, chosen(tracks, files, dataset.language, root))
    return cuts.table(rows, groups, root)


def sentences(root: Path, dataset: Dataset, tracks: Sequence[Track]) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of ANNOTATIONS that the tracks' cues are, and the video of each."""
    rows, groups, left_out, total = list[dict[str, Any]](), list[str](), list[tuple[str, str, str]](), 0
    offset = dataset.offset_s or 0.0
    for track in tracks:
        path, name = root / track.video, track.video.with_suffix("").as_posix()
        language = track.language or dataset.language or LANGUAGE
        for cue in _sentences(root / track.path, dataset, left_out):
            total += 1
            start, end = cue.start_s + offset, cue.end_s + offset
            problem = cue.problem or cuts.time_problem(start, end)
            if problem:
                video_id = f"{name} {cue.place}".strip()
                problem = f"{root / track.path}:{cue.place}: {problem}" if cue.place else problem
            else:
                video_id = f"{name} {max(0.0, start):.3f}-{end:.3f}"
            rows.append(cuts.cut(video_id, path, start, end, cue.text, language, problem))
            groups.append(name)
    if left_out:
        log.info("%s: cues: %s", root, summarise_skipped(left_out, total + len(left_out)))
    return rows, groups


def track_of(path: PurePosixPath, files: Files) -> Track:
    """The video of a subtitle file, and the language in its name."""
    names = list(_names(path.stem))
    for stem, language in names:
        if video := files.with_stem(stem, path.parent):
            return Track(path, video, True, language)
    if video := files.with_stem(path.parent.name, path.parent.parent):
        return Track(path, video, True, next((found for _, found in names if found), ""))
    stem, language = next((name for name in names if path.stem.startswith(f"{name[0]}.")), names[0])
    return Track(path, path.parent / f"{stem}.mp4", False, language)


def _names(stem: str) -> Iterator[tuple[str, str]]:
    """What a video may be called whose subtitles are called `stem`, and their language: "a.en" -> a.en, a."""
    yield stem, ""
    base, _, last = stem.rpartition(".")
    if base and last.lower() in _KINDS:
        yield base, ""
        base, _, last = base.rpartition(".")
    if base and _iso(last):
        yield base, _iso(last)
    elif (found := re.fullmatch(r"(.+)[_-]([a-z]{2})", stem)) and _iso(found[2]):
        yield found[1], _iso(found[2])


def _iso(tag: str) -> str:
    """The ISO 639-1 code of a language tag such as en-US; "" if it is none."""
    code = language_code(tag) if _TAG.fullmatch(tag) else ""
    return code if code in CODES else ""


def chosen(tracks: Sequence[Track], files: Files, language: str | None, root: Path) -> list[Track]:
    """One file of subtitles for each video, in the language that is wanted; says which were not read."""
    counts = Counter(track.language for track in tracks if track.language)
    wanted = language or (LANGUAGE if LANGUAGE in counts or not counts else counts.most_common(1)[0][0])
    by_video: dict[PurePosixPath, list[Track]] = defaultdict(list)
    for track in tracks:
        by_video[track.video].append(track)

    def order(track: Track) -> tuple[bool, int, str]:
        return not track.language, subtitles.SUFFIXES.index(track.path.suffix.lower()), track.path.as_posix()

    read, unread = list[Track](), list[tuple[str, str, str]]()
    for own in by_video.values():
        readable = sorted((track for track in own if track.language in (wanted, "")), key=order)
        read += readable[:1]
        unread += [("another file of that video is read", t.path.as_posix(), "") for t in readable[1:]]
        unread += [(f"in {t.language!r}, not {wanted!r}", t.path.as_posix(), "") for t in own if t not in readable]
    if unread:
        log.info("%s: subtitle files: %s", root, summarise_skipped(unread, len(tracks)))
    silent = set(files.videos) - {track.video for track in read}
    if silent:
        log.info("%s: %d of %d videos have no subtitles, such as %s", root, len(silent), len(files.videos), min(silent))
    return read


def _sentences(file: Path, dataset: Dataset, left_out: list[tuple[str, str, str]]) -> list[Cue]:
    """The cues of a file as sentences; what is none is added to `left_out`, as (reason, place, text)."""
    try:
        unsigned = re.compile(UNSIGNED if dataset.unsigned is None else dataset.unsigned)
    except re.error as error:
        raise ConfigError(f"unsigned {dataset.unsigned!r} is no regular expression: {error}") from None
    try:
        cues = list(subtitles.read(file))
    except (ContentError, XmlError) as error:
        cues = [bad("", str(error))]
    if not cues:
        left_out.append(("no cues", str(file), ""))

    def leave_out(reason: str, cue: Cue) -> None:
        left_out.append((reason, f"{file}:{cue.place}", printable(clean(cue.text), 60)))

    signed = []
    for cue in cues:
        if not cue.problem and unsigned.fullmatch(clean(cue.text)):
            leave_out("no text" if not cue.text.strip() else "no signing", cue)
        else:
            signed.append(cue)
    signed.sort(key=lambda cue: (cue.start_s, cue.end_s))
    sentences = []
    for cue in _joined(_merged(signed), dataset.join_s, dataset.longest_s or _JOINED_S):
        length = cue.end_s - cue.start_s
        if not cue.problem and dataset.shortest_s is not None and 0 < length < dataset.shortest_s:
            leave_out(f"shorter than {dataset.shortest_s:g} s", cue)
        elif not cue.problem and dataset.longest_s is not None and length > dataset.longest_s:
            leave_out(f"longer than {dataset.longest_s:g} s", cue)
        else:
            sentences.append(cue)
    return sentences


def _merged(cues: Sequence[Cue]) -> list[Cue]:
    """The cues, those with the same times as one: they are shown together."""
    result: list[Cue] = []
    for cue in cues:
        last = result[-1] if result else None
        if last and not cue.problem and not last.problem and (cue.start_s, cue.end_s) == (last.start_s, last.end_s):
            if clean(cue.text) not in map(clean, last.text.splitlines()):
                result[-1] = replace(last, text=f"{last.text}\n{cue.text}")
        else:
            result.append(cue)
    return result


def _joined(cues: Sequence[Cue], pause_s: float | None, longest_s: float) -> list[Cue]:
    """The cues, those that continue a sentence as one, where the pause before them is at most `pause_s`."""
    if pause_s is None:
        return list(cues)
    result: list[Cue] = []
    for cue in cues:
        last = result[-1] if result else None
        if (
            last
            and not (cue.problem or last.problem)
            and not _SENTENCE_ENDS.search(clean(last.text))
            and cue.start_s - last.end_s <= pause_s + 1e-9
            and max(cue.end_s, last.end_s) - last.start_s <= longest_s
        ):
            text = f"{_CONTINUES.sub('', last.text)}\n{_CONTINUED.sub('', cue.text)}"
            result[-1] = replace(last, end_s=max(last.end_s, cue.end_s), text=text)
        else:
            result.append(cue)
    return result
