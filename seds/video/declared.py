"""What the headers and the index of a video file say of its frames. Some count frames that are not there."""

from __future__ import annotations

import math
import re
import struct
from fractions import Fraction
from pathlib import Path

import av
from av.index import IndexEntries

from seds.video.clock import UNCODED_BYTES, survey
from seds.video.container import OpenVideo

# Healthy files may decode to a few frames fewer than their index lists: streams that were cut without re-encoding start
# with frames whose reference frames are gone. A truncated file lacks more.
_SLACK_FRAMES = 3
_SLACK_SHARE = 0.02


def slack(promised: int) -> float:
    """How many of the frames promised may be missing."""
    return max(_SLACK_FRAMES, _SLACK_SHARE * promised)


def frames_and_rate(video: OpenVideo) -> tuple[int, float] | None:
    """Frames and frames a second of a whole file, lost ones not counted; None if its headers do not say."""
    stream, frames = video.stream, promised(video)
    rate = stream.average_rate or stream.guessed_rate or 0
    if frames is None:
        return None
    if not _lists_all(video):
        return frames, float(rate)
    sizes = [entry.size for entry in stream.index_entries]
    lost = max(0, stream.frames - len(sizes)) + sum(size <= _least_bytes(stream) for size in sizes)
    if lost and _least_bytes(stream):  # in some of the small ones another packet's second frame may be shown
        frames = survey(video.path).frames
        lost = stream.frames - frames
    return frames, float(rate * (stream.frames - lost) / stream.frames)


def promised(video: OpenVideo, start: float = 0.0, end: float = math.inf) -> int | None:
    """Number of frames that the index lists between two times (s from the first frame); None if there is none.

    The index of an mp4 or AVI lists every frame. Those that an edit list hides are marked and do not count, nor do
    those of no bytes, which stand for frames that a camera lost. Its times are decoding times, a few frames ahead of
    presentation times, which is less than the slack.
    """
    stream = video.stream
    if stream.frames <= 0 or not stream.time_base:
        return None
    if not _lists_all(video):
        return stream.frames if start <= 0 and end == math.inf and not _marks_lost_frames(stream) else None
    first, stop = (_first_entry(stream.index_entries, stream.time_base, second) for second in (start, end))
    listed, least = (stream.index_entries[number] for number in range(first, stop)), _least_bytes(stream)
    return sum(not entry.is_discard and entry.size > least for entry in listed)


def declared_end(stream: av.VideoStream) -> float:
    """Seconds at which Matroska or AVI says its video ends, else 0: the length of others may be their audio's."""
    if _marks_lost_frames(stream) and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    declared = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if declared is None:
        return 0.0
    hours, minutes, seconds = map(float, declared.groups())
    return 3600 * hours + 60 * minutes + seconds


def _first_entry(entries: IndexEntries, tick: Fraction, second: float) -> int:
    """The number of the first entry from a time on."""
    if second <= 0:
        return 0
    if second == math.inf:
        return len(entries)
    wanted = entries[0].timestamp + math.ceil(second / tick)
    found = entries.search_timestamp(wanted, backward=False, any_frame=True)
    return len(entries) if found < 0 else found


def _least_bytes(stream: av.VideoStream) -> int:
    """A packet of so many bytes, or fewer, holds no frame."""
    return UNCODED_BYTES if stream.codec_context.name == "mpeg4" else 0


def _lists_all(video: OpenVideo) -> bool:
    """Whether the index is complete. In an AVI it leaves out the frames that were lost, which the header counts."""
    stream, entries = video.stream, video.stream.index_entries
    if len(entries) >= stream.frames:
        return True
    if not _marks_lost_frames(stream) or not len(entries):
        return False
    behind = stream.frames - 1 - entries[-1].timestamp
    return behind <= slack(stream.frames) or _ends_as_declared(video.path)


def _ends_as_declared(path: Path) -> bool:
    """Whether an AVI is as long as its first eight bytes say: "RIFF" and the length of what follows."""
    with path.open("rb") as file:
        _, length = struct.unpack("<4sI", file.read(8))
    return 0 <= length + 8 - path.stat().st_size <= 1  # the last byte of an odd length may be padding


def _marks_lost_frames(stream: av.VideoStream) -> bool:
    return stream.container.format.name == "avi"
