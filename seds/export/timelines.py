"""What is known of each video file of a corpus, in its time: sentences, signs, and what a search has found in it.

A file may have many sentences, of which each is a cut. A timeline holds them all, in seconds by the file's clock.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from seds import tables
from seds.export.keypoints import ExportError
from seds.timing import duration_s

if TYPE_CHECKING:  # they import PyTorch
    from seds.search.answer import Alignment, VideoHit

SENTENCES, SEARCH, MOMENTS = "sentences", "search", "moments"
SIGN_TIERS = {tables.MANUAL: "signs", tables.NONMANUAL: "nonmanual"}


class Mark(NamedTuple):
    """A span of time and what is in it; in ms, as ELAN and players have it."""

    start_ms: int
    end_ms: int
    value: str


@dataclass
class Timeline:
    """Of a video file. marks: by kind (SENTENCES, a value of SIGN_TIERS, SEARCH, MOMENTS) and signer, "" if unknown."""

    path: str
    marks: dict[tuple[str, str], list[Mark]] = field(default_factory=lambda: defaultdict(list))

    def add(self, kind: str, signer: str, start_s: float, end_s: float, value: str) -> None:
        start_ms = round(start_s * 1000)
        self.marks[kind, signer].append(Mark(start_ms, max(start_ms + 1, round(end_s * 1000)), value))

    def tiers(self) -> Iterator[tuple[str, str, list[Mark]]]:
        """(name, signer, marks in order) of tiers in which none overlap; one more for each that does.

        The signer is part of the name where the file has several.
        """
        kinds = [SENTENCES, *SIGN_TIERS.values(), SEARCH, MOMENTS]
        for (kind, signer), marks in sorted(self.marks.items(), key=lambda item: (kinds.index(item[0][0]), item[0][1])):
            several = len({other for _, other in self.marks if other}) > 1
            name = f"{kind} {signer}" if several and signer else kind
            for number, lane in enumerate(lanes(marks), start=1):
                yield (name if number == 1 else f"{name} ({number})"), signer, lane


def lanes(marks: Iterable[Mark]) -> list[list[Mark]]:
    """The marks in order, on as few lanes as it takes for none to overlap another."""
    result: list[list[Mark]] = []
    for mark in sorted(marks):
        lane = next((lane for lane in result if lane[-1].end_ms <= mark.start_ms), None)
        if lane is None:
            result.append([mark])
        else:
            lane.append(mark)
    return result


def timelines(videos: pd.DataFrame, signs: pd.DataFrame) -> dict[str, Timeline]:
    """The timelines of a corpus by the paths of its files, with sentences and signs. videos, signs: VIDEOS, SIGNS.

    Rows that cannot be used are left out, and so are videos that are no files: folders of frames, released features.
    """
    result: dict[str, Timeline] = {}
    usable = videos[videos["status"] == "ok"]
    files = {path for path in usable["path"].unique() if Path(path).is_file()}
    rows = {row.video_id: row for row in usable.itertuples() if row.path in files}
    for row in rows.values():
        timeline = result.setdefault(row.path, Timeline(row.path))
        start = _start_s(row)
        timeline.add(SENTENCES, row.signer, start, start + duration_s(row), row.text_original or row.text)
    for sign in signs.itertuples():
        if row := rows.get(sign.video_id):
            start = _start_s(row)
            result[row.path].add(
                SIGN_TIERS[sign.tier], row.signer, start + sign.start_s, start + sign.end_s, sign.label
            )
    return result


def found(
    timelines: dict[str, Timeline], hits: Sequence[VideoHit], alignments: Sequence[Alignment]
) -> dict[str, Timeline]:
    """Those of the timelines in which a search has found something, with the hits and the moments of their words.

    alignments: of each hit.
    """
    result = {}
    for hit, alignment in zip(hits, alignments, strict=True):
        timeline = timelines.get(hit.path)
        if timeline is not None:
            start = hit.start_s or 0.0
            timeline.add(SEARCH, "", start, start + hit.duration_s, f"{hit.rank}. ({hit.score:.2f}) {hit.text}")
            for word, moment in zip(alignment.words, alignment.moments, strict=True):
                if moment.score > 0:
                    timeline.add(MOMENTS, "", start + moment.start_s, start + moment.end_s, word)
            result[hit.path] = timeline
    return result


def places(paths: Iterable[str], root: Path, output: Path, suffixes: Sequence[str], overwrite: bool) -> dict[str, Path]:
    """Where what belongs to each video goes, without a suffix: below `output` as the video is below `root`.

    Raises ExportError if a file of that name with one of the suffixes is there and may not be overwritten.
    """
    result: dict[str, Path] = {}
    taken = set[Path]()
    for path in sorted(paths):
        relative = PurePosixPath(path).relative_to(root.as_posix())
        place = output / relative.with_suffix("")
        if place in taken:  # a.mp4 beside a.webm
            place = output / relative
        taken.add(place)
        result[path] = place
    there = [
        file
        for place in result.values()
        for file in (place.with_name(place.name + suffix) for suffix in suffixes)
        if file.exists() and not overwrite
    ]
    if there:
        raise ExportError(
            f"{there[0]} exists{f', and so do {len(there) - 1:,} others' if len(there) > 1 else ''}; it may have been "
            "edited. Give another --output, or --overwrite"
        )
    return result


def link_video(path: str, place: Path) -> Path:
    """A link to a video beside what belongs to it, or the file that is there already."""
    link = place.with_name(place.name + PurePosixPath(path).suffix)
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink():
        link.unlink()
    if not link.exists():
        link.symlink_to(Path(path).resolve())
    return link


def _start_s(video: Any) -> float:
    return 0.0 if pd.isna(video.start_s) else float(video.start_s)
