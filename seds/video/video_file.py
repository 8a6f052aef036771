"""Video files: RGB frames as a player shows them.

Every decoded frame is yielded once, whatever the spacing of its timestamps: none is dropped or repeated to reach a
constant rate. A phone's rotation or mirroring is applied, and transparency is shown over black. Non-square pixels and
the two fields of interlaced frames are left as they are stored. Colours without a tag are taken as BT.601, as FFmpeg
and OpenCV do. Damage is reported if the decoder notices it; those of VP8, VP9 and H.265 miss much of it.

Only local files are opened: a playlist or a text that names other files or hosts is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, SupportsBytes, cast

import av
import numpy as np

from seds.errors import SedsError

# Healthy files may decode to a few frames fewer than their index lists: streams that were cut without re-encoding start
# with frames whose reference frames are gone. A truncated file lacks more.
_SLACK_FRAMES = 3
_SLACK_SHARE = 0.02

# Larger frames are refused before memory is allocated for them: a file of a few bytes can claim any size.
MAX_PIXELS = 8192 * 8192

# Demuxers seek by decoding time, which runs a few frames ahead of presentation time, so seeking aims earlier by more
# than that. What can be decoded from there may still begin too late (transport streams, periodic refresh); then seeking
# goes back further.
_SEEK_MARGINS_S = (0.5, 10.0, float("inf"))

# The formats that are opened. Playlists and lists of files (hls, dash, concat) are not among them: they open others.
_FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,gif,mpegvideo,h264,hevc,av1,ivf,image2,png_pipe,jpeg_pipe"


class VideoError(SedsError, ValueError):
    """A video that cannot be read, or not to its end. The message names the file and the reason."""


@dataclass(frozen=True)
class VideoInfo:
    """A video as shown: width and height (px) after rotation. `fps` is the mean rate if it varies."""

    frames: int
    fps: float
    width: int
    height: int


class TimedFrame(NamedTuple):
    """A frame, uint8 [H,W,3] RGB, and when it is shown, in s since the video's first frame; NaN if unknown."""

    image: np.ndarray
    begin: float
    end: float


def probe(path: str | Path) -> VideoInfo:
    """What the headers say, and the size of the first frame, which is decoded.

    If the headers do not give the number of frames (Matroska, WebM), they are counted by demuxing. Raises VideoError.
    """
    with _open(path) as (container, stream):
        try:
            first = next(_decode(container, stream), None)
        except _DamagedError as error:
            raise VideoError(f"{path}: {error}, in the first frame") from None
        if first is None:
            raise VideoError(f"{path}: has a video stream without a single frame")
        height, width = _shown(first, _display_matrix(first)).shape[:2]
        promised = _promised(stream)
        fps = float(stream.average_rate or stream.guessed_rate or 0)
    if promised is None:
        promised, fps = _count(path)
    if not fps > 0:
        raise VideoError(f"{path}: frame rate unknown, neither its headers nor its timestamps give one")
    return VideoInfo(promised, fps, width, height)


def timed_frames(path: str | Path, start_s: float | None = None, end_s: float | None = None) -> Iterator[TimedFrame]:
    """The frames shown at start_s <= t < end_s (seconds from the first; None = from the start, to the end).

    Raises VideoError if there is nothing to decode, for a decoder's error, a frame of another size than the first, or
    clearly fewer frames than the file's headers promise for that time, as in a truncated download.
    """
    cut = start_s is not None or end_s is not None
    start, end = start_s or 0.0, float("inf") if end_s is None else end_s
    count, shape, matrix, shown_until = 0, None, None, start
    with _open(path) as (container, stream):
        promised = _promised(stream, start, end)
        origin = _seconds(stream, stream.start_time or 0)
        try:
            for frame in _decode_from(start, origin, container, stream):
                begin = frame_end = math.nan
                if frame.time is not None:
                    # Rounded, so that neighbouring cuts neither share a frame nor lose one.
                    begin = round(frame.time - origin, 6)
                    if start_s is not None and begin < start:
                        continue
                    if begin >= end:
                        break
                    shown_until = frame_end = begin + _seconds(stream, frame.duration)
                elif cut:
                    raise VideoError(f"{path}: its frames carry no timestamps, so {start:g} s cannot be found in it")
                if shape is None:
                    matrix = _display_matrix(frame)
                image = _shown(frame, matrix)
                if shape is not None and image.shape != shape:
                    raise VideoError(
                        f"{path}: frame {count} is {size_text(image.shape)}, the first was {size_text(shape)}"
                    )
                count, shape = count + 1, image.shape
                yield TimedFrame(image, begin, frame_end)
        except _DamagedError as error:
            raise VideoError(f"{path}: {error}, after {count} of {promised or 'an unknown number of'} frames") from None
        if promised is None:
            missing_s = min(_declared_end(stream) - origin, end) - shown_until
            promised = count + max(0, round(missing_s * float(stream.average_rate or 0)))
    if count == 0:
        raise VideoError(f"{path}: has no frame" + (f" between {start:g} s and {end:g} s" if cut else ""))
    if count < promised - max(_SLACK_FRAMES, _SLACK_SHARE * promised):
        raise VideoError(f"{path}: truncated: {count} frames could be decoded, its headers promise {promised}")


def size_text(shape: tuple[int, ...]) -> str:
    """Width x height of an image's shape [H,W,3]."""
    return f"{shape[1]}x{shape[0]}"


def over_black(image: np.ndarray) -> np.ndarray:
    """uint8 [H,W,4] RGBA with straight alpha -> uint8 [H,W,3] RGB, blended onto black and rounded."""
    alpha = image[..., 3:].astype(np.uint16)
    return ((image[..., :3] * alpha + 127) // 255).astype(np.uint8)


class _DamagedError(ValueError):
    """An error of a decoder or demuxer, raised where the file and the number of frames are not known."""


@contextmanager
def _open(path: str | Path) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
    path = Path(path)
    if not path.is_file():
        raise VideoError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise VideoError(f"{path}: is empty (0 bytes)")
    try:
        # With an explicit protocol, a ":" in the name is not read as one.
        container = av.open(
            f"file:{path}",
            options={"protocol_whitelist": "file", "format_whitelist": _FORMATS, "max_pixels": str(MAX_PIXELS)},
        )
    except av.FFmpegError as error:
        raise VideoError(f"{path}: is not a readable video: {_reason(error)}") from None
    with container:
        # To the demuxer, the cover picture of an audio file is a video stream.
        streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
        if not streams:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise VideoError(f"{path}: has no video stream (it has: {kinds})")
        stream = streams[0]
        if stream.codec_context is None:
            raise VideoError(f"{path}: no decoder for its video stream")
        size = stream.codec_context.width, stream.codec_context.height
        if size[0] * size[1] > MAX_PIXELS:
            raise VideoError(f"{path}: is {size[0]}x{size[1]}; frames of more than {MAX_PIXELS} px are refused")
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # a later frame may be larger
        # One thread: many workers decode at once, and decoding is far cheaper than what follows.
        stream.thread_type = "NONE"
        stream.codec_context.thread_count = 1
        yield container, stream


def _decode(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    try:
        for frame in container.decode(stream):
            if frame.is_corrupt:  # the decoder has filled in what it could not decode
                raise _DamagedError("damaged: part of a frame is lost")
            yield frame
    except av.ArgumentError:  # the check of a frame's size, if the file's header does not have it
        raise _DamagedError(f"damaged, or a frame of more than {MAX_PIXELS} px") from None
    except av.FFmpegError as error:
        raise _DamagedError(f"damaged: {_reason(error)}") from None


def _decode_from(
    start: float, origin: float, container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.VideoFrame]:
    """Frames from one at or before `start` on, in seconds after the video's first frame, which is at `origin`."""
    if start <= 0 or not stream.time_base:
        yield from _decode(container, stream)
        return
    for margin in _SEEK_MARGINS_S:
        try:
            ticks = int(max(0.0, origin + start - margin) / stream.time_base)
            container.seek(ticks, stream=stream)  # to the key frame before it
        except av.FFmpegError as error:
            raise _DamagedError(f"cannot seek to {start:g} s: {_reason(error)}") from None
        decoded = _decode(container, stream)
        try:
            first = next(decoded, None)
        except _DamagedError:  # perhaps only because the seek skipped its reference frames
            if start <= margin:
                raise
            continue
        if start <= margin or (first is not None and (first.time is None or round(first.time - origin, 6) <= start)):
            break
    if first is not None:
        yield first
        yield from decoded


def _promised(stream: av.VideoStream, start: float = 0.0, end: float = float("inf")) -> int | None:
    """Number of frames that the headers list between two times (s); None if they do not say.

    The index of an mp4 or AVI lists every frame. Those that an edit list hides are marked and do not count. Its times
    are decoding times, a few frames ahead of presentation times, which is less than the slack.
    """
    if stream.frames <= 0:
        return None
    entries = list(stream.index_entries)
    if len(entries) >= stream.frames:
        times = [_seconds(stream, e.timestamp - entries[0].timestamp) for e in entries if not e.is_discard]
        return sum(start <= time < end for time in times)
    return stream.frames if start <= 0 and end == float("inf") else None


def _declared_end(stream: av.VideoStream) -> float:
    """Seconds at which Matroska says its video ends, else 0: the length of other containers may be their audio's."""
    declared = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if declared is None:
        return 0.0
    hours, minutes, seconds = map(float, declared.groups())
    return 3600 * hours + 60 * minutes + seconds


def _count(path: str | Path) -> tuple[int, float]:
    """Frames and mean fps by reading every packet. Raises VideoError."""
    with _open(path) as (container, stream):
        try:
            times = [p.pts for p in container.demux(stream) if p.size > 0 and not p.is_discard]
        except av.FFmpegError as error:
            raise VideoError(f"{path}: damaged: {_reason(error)}") from None
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        shown = [t for t in times if t is not None]
        if stream.time_base and len(shown) > 1 and max(shown) > min(shown):
            fps = float((len(shown) - 1) / ((max(shown) - min(shown)) * stream.time_base))
        return len(times), fps


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
