"""Video files: RGB frames as a player shows them.

Every decoded frame is yielded once, whatever the spacing of its timestamps: none is dropped or repeated to reach a
constant rate. A phone's rotation or mirroring is applied, and transparency is shown over black. Non-square pixels and
the two fields of interlaced frames are left as they are stored. Colours without a tag are taken as BT.601, as FFmpeg
and OpenCV do. Damage is reported if the decoder notices it; those of VP8, VP9 and H.265 miss much of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import NamedTuple, SupportsBytes, cast

import av
import numpy as np

from seds.video.clock import Clock, survey
from seds.video.container import MAX_PIXELS, OpenVideo, VideoError, open_video, reason
from seds.video.cuts import seconds_text
from seds.video.declared import declared_end, frames_and_rate, promised, slack

# Demuxers seek by decoding time, which runs a few frames ahead of presentation time, so seeking aims earlier by more
# than that. What can be decoded from there may still begin too late (transport streams, periodic refresh); then seeking
# goes back further.
_SEEK_MARGINS_S = (0.5, 10.0, float("inf"))


@dataclass(frozen=True)
class VideoInfo:
    """A video as shown: width and height (px) after rotation. `fps` is the mean rate if it varies.

    begin_s: when its first frame is shown, on the file's clock (seds.video.clock). remarks: what a user should know.
    """

    frames: int
    fps: float
    width: int
    height: int
    begin_s: float = 0.0
    remarks: tuple[str, ...] = ()


class TimedFrame(NamedTuple):
    """A frame, uint8 [H,W,3] RGB, and when it is shown, in s on the file's clock; NaN if unknown."""

    image: np.ndarray
    begin: float
    end: float


def probe(path: str | Path) -> VideoInfo:
    """What the headers say, and the size of the first frame, which is decoded.

    If the headers do not give the number of frames (Matroska, WebM), they are counted by demuxing. Raises VideoError.
    """
    with open_video(path) as video:
        clock, remarks = Clock(video), video.remarks()
        try:
            first = next(_decode(video, clock.packets()), None)
        except _DamagedError as error:
            raise VideoError(f"{path}: {error}, in the first frame") from None
        if first is None:
            raise VideoError(f"{path}: has a video stream without a single frame")
        height, width = _shown(first, _display_matrix(first)).shape[:2]
        begin = clock.begin_s(first)
        said = frames_and_rate(video)
    if said is None:
        surveyed = survey(path)
        said = surveyed.frames, surveyed.fps
        if surveyed.restarts:
            remarks.append("joined recordings: its clock restarts, so its seconds are counted on from the first")
    count, fps = said
    if not fps > 0:
        raise VideoError(f"{path}: frame rate unknown, neither its headers nor its timestamps give one")
    return VideoInfo(count, fps, width, height, begin, tuple(remarks))


def timed_frames(path: str | Path, start_s: float | None = None, end_s: float | None = None) -> Iterator[TimedFrame]:
    """The frames shown at start_s <= t < end_s (seconds on the file's clock; None = from the start, to the end).

    Raises VideoError if there is nothing to decode, for a decoder's error, a frame of another size than the first, or
    clearly fewer frames than the file's headers promise for that time, as in a truncated download.
    """
    cut = start_s is not None or end_s is not None
    start, end = start_s or 0.0, float("inf") if end_s is None else end_s
    count, shape, matrix, shown_until = 0, None, None, start
    with open_video(path) as video:
        clock, stream = Clock(video), video.stream
        expected = promised(video, start - clock.first_s, end - clock.first_s)
        try:
            for frame, begin in _timed_from(start, video, clock):
                frame_end = math.nan
                if begin is not None:
                    if start_s is not None and begin < start:
                        continue
                    if begin >= end:
                        break
                    shown_until = frame_end = begin + _seconds(stream, frame.duration)
                elif cut:
                    raise VideoError(
                        f"{path}: its frames carry no timestamps, so {seconds_text(start)} s cannot be found in it"
                    )
                if shape is None:
                    matrix = _display_matrix(frame)
                image = _shown(frame, matrix)
                if shape is not None and image.shape != shape:
                    raise VideoError(
                        f"{path}: frame {count} is {size_text(image.shape)}, the first was {size_text(shape)}"
                    )
                count, shape = count + 1, image.shape
                yield TimedFrame(image, math.nan if begin is None else begin, frame_end)
        except _DamagedError as error:
            total = expected or stream.frames or "an unknown number of"
            raise VideoError(f"{path}: {error}, after {count} of {total} frames") from None
        if expected is None:
            missing_s = min(declared_end(stream) - clock.origin, end) - shown_until
            expected = count + max(0, round(missing_s * float(stream.average_rate or 0)))
    if count == 0:
        raise VideoError(
            f"{path}: has no frame" + (f" between {seconds_text(start)} s and {seconds_text(end)} s" if cut else "")
        )
    if count < expected - slack(expected):
        raise VideoError(f"{path}: truncated: {count} frames could be decoded, its headers promise {expected}")


def size_text(shape: tuple[int, ...]) -> str:
    """Width x height of an image's shape [H,W,3]."""
    return f"{shape[1]}x{shape[0]}"


def over_black(image: np.ndarray) -> np.ndarray:
    """uint8 [H,W,4] RGBA with straight alpha -> uint8 [H,W,3] RGB, blended onto black and rounded."""
    alpha = image[..., 3:].astype(np.uint16)
    return ((image[..., :3] * alpha + 127) // 255).astype(np.uint8)


class _DamagedError(ValueError):
    """An error of a decoder or demuxer, raised where the file and the number of frames are not known."""


def _decode(video: OpenVideo, packets: Iterable[av.Packet]) -> Iterator[av.VideoFrame]:
    try:
        for packet in chain(packets, (None,)):  # None: the decoder is to hand out what it holds back
            for frame in video.decoder.decode(packet):
                if frame.is_corrupt:  # the decoder has filled in what it could not decode
                    raise _DamagedError("damaged: part of a frame is lost")
                yield frame
    except av.ArgumentError:  # the check of a frame's size, if the file's header does not have it
        raise _DamagedError(f"damaged, or a frame of more than {MAX_PIXELS} px") from None
    except av.FFmpegError as error:
        raise _DamagedError(f"damaged: {reason(error)}") from None


def _timed_from(start: float, video: OpenVideo, clock: Clock) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """Frames and when they are shown, from one at or before `start` s on."""
    tick = video.stream.time_base
    if start <= 0 or not tick:
        yield from clock.timed(_decode(video, clock.packets()))
    elif clock.can_seek():
        yield from _sought(start, tick, video, clock)
    else:
        yield from clock.timed(_decode(video, clock.near(start)))


def _sought(
    start: float, tick: Fraction, video: OpenVideo, clock: Clock
) -> Iterator[tuple[av.VideoFrame, float | None]]:
    """The same, by seeking."""
    entries = video.stream.index_entries
    earliest = entries[0].timestamp if len(entries) else 0  # to AVI, nothing lies before it
    for margin in _SEEK_MARGINS_S:
        try:
            ticks = max(earliest, int(max(0.0, clock.origin + start - margin) / tick))
            video.container.seek(ticks, stream=video.stream)  # to the key frame before it
        except av.FFmpegError as error:
            raise _DamagedError(f"cannot seek to {seconds_text(start)} s: {reason(error)}") from None
        video.decoder.flush_buffers()
        decoded = clock.timed(_decode(video, clock.packets()))
        try:
            first = next(decoded, None)
        except _DamagedError:  # perhaps only because the seek skipped its reference frames
            if start <= margin:
                raise
            continue
        if start <= margin or (first is not None and (first[1] is None or first[1] <= start)):
            break
    if first is not None:
        yield first
        yield from decoded


def _seconds(stream: av.VideoStream, ticks: int) -> float:
    return float(ticks * (stream.time_base or 0))


def _display_matrix(frame: av.VideoFrame) -> bytes | None:
    """How a video is to be rotated and mirrored, from its first frame.

    Reading it from every frame would cost hundreds of MB: a frame whose side data were read is part of a reference
    cycle and stays in memory until the garbage collector runs.
    """
    matrix = cast("SupportsBytes | None", frame.side_data.get("DISPLAYMATRIX"))
    return None if matrix is None else bytes(matrix)


def _shown(frame: av.VideoFrame, matrix: bytes | None) -> np.ndarray:
    """uint8 [H,W,3] RGB, rotated and mirrored by the display matrix (multiples of 90 degrees)."""
    # The converter, too, gets one thread: by default it starts one per core and takes half as long again.
    if any(component.is_alpha for component in frame.format.components):
        image = over_black(frame.to_ndarray(format="rgba", threads=1))
    else:
        image = frame.to_ndarray(format="rgb24", threads=1)
    if matrix is None:
        return np.ascontiguousarray(image)
    # ISO 14496-12: shown x = a x + c y, shown y = b x + d y; rows (a, b, u), (c, d, v), (x, y, w).
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    if abs(b) > abs(a):
        image, a, d = image.transpose(1, 0, 2), c, b
    return np.ascontiguousarray(image[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def _reason(error: av.FFmpegError) -> str:
    return error.strerror or type(error).__name__
