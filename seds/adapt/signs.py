"""What the sign encoder learns from: the signs of a split, each with its place in its video and what it is.

Times are counted in frames of the video as decoded (of the cut, where it is one), from 0. T frames of a window.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from seds import tables
from seds.extraction.extractor import Video, read_video

Labels = dict[str, tuple[str, ...]]  # the classes of each tier, in the order of the scores


@dataclass(frozen=True)
class Marker:
    """Something that face and head say for a while. label: its place in Labels."""

    label: int
    start: float
    end: float


@dataclass(frozen=True)
class Sign:
    """A sign to learn, or to be tested by. begin: when the video's first frame is shown, s on its file's clock; label:
    its place in Labels, -1 if it is not among them; markers: of its video, whose labels are known.
    """

    video: Video
    begin: float
    start: float
    end: float
    label: int
    markers: tuple[Marker, ...] = field(repr=False)

    @property
    def identity(self) -> list[Any]:
        """For JSON, what determines its windows and their labels: like Video.identity, no name and no place."""
        markers = [[marker.label, marker.start, marker.end] for marker in self.markers]
        return [self.video.identity, self.begin, self.start, self.end, self.label, markers]

    def first_frame(self, window: int, offset: float = 0.0) -> int:
        """Of the window around the sign's middle, moved by `offset` frames; never below 0."""
        return max(0, round((self.start + self.end - window) / 2 + offset))

    def reach(self, window: int, jitter: float) -> float:
        """How far the window is moved at most, to both sides: a longer sign is seen from end to end."""
        return max(jitter, (self.end - self.start - window) / 2)

    def markers_in(self, first: int, window: int, count: int) -> np.ndarray:
        """How much of each marker a window shows: float32 [count], 1 where it fills the window, or is all in it."""
        shown = np.zeros(count, np.float32)
        for marker in self.markers:
            overlap = min(marker.end, first + window) - max(marker.start, first)
            full = min(window, marker.end - marker.start)
            shown[marker.label] = max(shown[marker.label], min(1.0, overlap / full))
        return shown


def labels_of(signs: pd.DataFrame, videos: pd.DataFrame, split: str = "train") -> Labels:
    """The labels that a split has, sorted, of each tier that occurs in it. signs, videos: SIGNS and VIDEOS tables."""
    rows = signs[signs["video_id"].isin(videos.loc[videos["split"] == split, "video_id"])]
    return {tier: tuple(sorted(set(part))) for tier, part in rows.groupby("tier")["label"]}


def signs_of(signs: pd.DataFrame, videos: pd.DataFrame, split: str, labels: Labels) -> list[Sign]:
    """What a window is put around: the manual signs of a split, in the table's order; if training has none, the
    markers.
    """
    rows = videos[(videos["split"] == split) & (videos["status"] == "ok")]
    readable = {row["video_id"]: (read_video(row), first_shown(row)) for row in rows.to_dict("records")}
    place = {tier: {label: i for i, label in enumerate(names)} for tier, names in labels.items()}
    main = tables.MANUAL if tables.MANUAL in labels else tables.NONMANUAL
    found: list[Sign] = []
    for video_id, part in signs[signs["video_id"].isin(readable)].groupby("video_id", sort=False):
        video, begin = readable[str(video_id)]
        late = begin - (video.start_s or 0.0)  # s, of the first frame in the time of the signs
        known = place.get(tables.NONMANUAL, {})
        markers = tuple(
            Marker(known[row.label], (row.start_s - late) * video.fps, (row.end_s - late) * video.fps)
            for row in part[part["tier"] == tables.NONMANUAL].itertuples()
            if row.label in known
        )
        for row in part[part["tier"] == main].itertuples():
            label = place.get(main, {}).get(row.label, -1)
            start, end = ((second - late) * video.fps for second in (row.start_s, row.end_s))
            found.append(Sign(video, begin, max(0.0, start), end, label, markers))
    return found


def first_shown(row: Mapping[str, Any]) -> float:
    """When the first frame of a row of VIDEOS is shown, s on its file's clock: a picture may begin after the sound, and
    after the start of a cut.
    """
    return float(np.nanmax([row["begin_s"], row["start_s"], 0.0]))


@dataclass(frozen=True)
class Segment:
    """The part of a video that signs are cut from: frames `first` to `stop` - 1. begin: as of Sign."""

    video: Video
    begin: float
    first: int
    stop: int

    def cut(self) -> Video:
        """The part as a video of its own. Bounds lie between two frames, so rounding moves none across them."""
        video = self.video
        start = self.begin + (self.first - 0.5) / video.fps if self.first else video.start_s
        end = self.begin + (self.stop - 0.5) / video.fps
        return replace(video, start_s=start, end_s=end if video.end_s is None else min(end, video.end_s))


def segments(signs: Sequence[Sign], window: int, jitter: float) -> tuple[list[Segment], list[int]]:
    """The segments that hold every window of the signs, and the segment of each. Parts that overlap are one."""
    spans: dict[str, list[tuple[int, int, int]]] = {}
    for i, sign in enumerate(signs):
        reach = sign.reach(window, jitter)
        first, last = sign.first_frame(window, -reach), sign.first_frame(window, reach)
        spans.setdefault(sign.video.video_id, []).append((first, last + window, i))
    found: list[Segment] = []
    segment_of = [0] * len(signs)
    for parts in spans.values():
        stop = -1
        for first, end, i in sorted(parts):
            if first <= stop:
                stop = max(stop, end)
                found[-1] = replace(found[-1], stop=stop)
            else:
                stop = end
                found.append(Segment(signs[i].video, signs[i].begin, first, stop))
            segment_of[i] = len(found) - 1
    return found, segment_of
