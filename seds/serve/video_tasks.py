"""What the server does with video files, each in a sandbox: vet an uploaded clip, tell whether browsers can play a
file, transcode one that they cannot, take a poster.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from seds import video
from seds.serve.sandbox import Handler, OnProgress
from seds.video.clock import origin
from seds.video.container import main_stream, video_streams

# Containers of uploaded clips: those of cameras, phones and the web. No playlists, no images.
FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg"
# What Chromium, Firefox and Safari all play, by container: codecs and their pixel formats. The rest is transcoded.
_EIGHT_BIT = ("yuv420p", "yuvj420p")
_PLAYABLE = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", {"h264": _EIGHT_BIT}),
    "matroska,webm": ("video/webm", {"vp8": _EIGHT_BIT, "vp9": _EIGHT_BIT}),
}
MEDIA_TYPES = tuple(media_type for media_type, _ in _PLAYABLE.values())
POSTER_PX = 320  # longer side
TRANSCODED_PX = 720  # shorter side; the longer one is at most 16/9 of it
POSTER_AT = 0.4  # of the duration: hands rest at both ends
_UNKNOWN_DURATION_S = 5.0
_AT_ZERO_S = 0.002  # WebM rounds times to ms
_TICK = Fraction(1, 90_000)  # s, time base of transcoded videos


def build() -> Handler:
    """A sandbox handler for the tasks of this module: {"do": name, ...arguments} -> bytes for `read`."""
    tasks: dict[str, Callable[..., Any]] = {
        "vet": _vet, "media_type": _media_type, "poster": _poster, "transcode": _transcode,
    }  # fmt: skip

    def run(task: dict[str, Any], on_progress: OnProgress) -> bytes:
        arguments = dict(task)
        return json.dumps(tasks[arguments.pop("do")](on_progress=on_progress, **arguments)).encode()

    return run


def read(answer: bytes) -> Any:
    """The result of a task."""
    return json.loads(answer)


def _vet(path: str, max_frames: int, max_pixels: int, max_s: float, on_progress: OnProgress) -> dict[str, int | float]:
    """Frames, seconds and size (px) of a clip. Nothing is decoded until its size is known to be within the limits.

    Raises ValueError: not a video, or beyond one of the limits.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "max_pixels": str(max_pixels)}
    try:
        with av.open(f"file:{path}", options=options) as container:
            stream = main_stream(container)
            if stream is None or stream.codec_context is None:
                raise ValueError("it contains no readable video")
            width, height = stream.codec_context.width, stream.codec_context.height
            if not 0 < width * height <= max_pixels:  # 0: the decoder, which has the same limit, gave up
                raise ValueError(f"its frames have more than {max_pixels:,} pixels, or no size")
            frames, seconds = _extent(container, stream, max_frames, max_s)
    except av.FFmpegError:
        raise ValueError("it is not a readable video") from None
    if not frames:
        raise ValueError("it has no frames")
    return {"frames": frames, "seconds": seconds, "width": width, "height": height}


def _extent(
    container: av.container.InputContainer, stream: av.VideoStream, max_frames: int, max_s: float
) -> tuple[int, float]:
    """Frames and seconds, by reading all packets: headers may claim anything."""
    frames, first, last = 0, None, 0.0
    for packet in container.demux(stream):
        if packet.size:
            frames += 1
        if packet.pts is not None and packet.time_base is not None:
            at = float(packet.pts * packet.time_base)
            first = at if first is None else min(first, at)
            last = max(last, at)
        if frames > max_frames:
            raise ValueError(f"it has more than {max_frames:,} frames")
        if first is not None and last - first > max_s:
            raise ValueError(f"it is longer than {max_s:g} s")
    return frames, last - (first or 0.0)


def _media_type(path: str, on_progress: OnProgress) -> str | None:
    """The media type of a file that browsers can play as the model sees it; None for others and folders of frames.

    Browsers do not agree which of several video streams to show, nor which second a file begins with if not with 0.
    """
    if not Path(path).is_file():
        return None
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            media_type, codecs = _PLAYABLE.get(container.format.name, (None, {}))
            streams = video_streams(container)
            context = streams[0].codec_context if len(streams) == 1 else None
            if not context or context.pix_fmt not in codecs.get(context.name, ()):
                return None
            return media_type if abs(origin(container, streams[0])) < _AT_ZERO_S else None
    except av.FFmpegError:
        return None


def _poster(
    path: str, output: str, start_s: float | None, end_s: float | None, fps: float | None, seconds: float | None,
    on_progress: OnProgress,
) -> None:  # fmt: skip
    """A JPEG of a frame of the cut at start_s <= t < end_s."""
    at = (start_s or 0.0) + POSTER_AT * (_UNKNOWN_DURATION_S if seconds is None else seconds)
    try:
        frame = next(video.frames(path, at, end_s, fps))
    except video.VideoError:  # shorter than its header says
        frame = next(video.frames(path, start_s, end_s, fps))
    picture = Image.fromarray(frame)
    picture.thumbnail((POSTER_PX, POSTER_PX))
    picture.save(output, "JPEG", quality=80)


def _transcode(
    path: str, output: str, start_s: float | None, end_s: float | None, fps: float, seconds: float | None,
    on_progress: OnProgress,
) -> None:  # fmt: skip
    """The cut as H.264 in MP4, scaled to fit TRANSCODED_PX.

    Frames keep their times, so that moments fit; the first is shown from the start. Where a file gives no times, and
    for a folder of frames, the rate is `fps`.
    """
    expected = max(1.0, fps * (_UNKNOWN_DURATION_S if seconds is None else seconds))

    def due() -> Iterator[tuple[np.ndarray, float]]:
        for i, (image, begin, _) in enumerate(video.timed_frames(path, start_s, end_s, fps)):
            yield image, i / fps if i == 0 or math.isnan(begin) else begin - (start_s or 0.0)
            if i % 10 == 0:
                on_progress(min(1.0, i / expected))

    encode(output, due(), fps)


def encode(output: str | Path, frames: Iterable[tuple[np.ndarray, float]], fps: float) -> None:
    """H.264 in MP4 of images uint8 [H,W,3] RGB, each with the time when it is shown, s; scaled to fit TRANSCODED_PX."""
    rate = Fraction(fps).limit_denominator(10_000)
    images = iter(frames)
    first = next(images)
    width, height = _even(first[0].shape[1], first[0].shape[0])
    with av.open(str(output), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TICK
        pts = -1
        for image, due in chain([first], images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(width, height, "yuv420p", interpolation="AREA")
            pts = max(pts + 1, round(due / _TICK))  # the codec rejects two frames at one time
            frame.pts, frame.time_base = pts, _TICK
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _even(width: int, height: int) -> tuple[int, int]:
    """A size that H.264 accepts (even numbers), of the same shape, no larger than TRANSCODED_PX allows."""
    scale = min(1.0, TRANSCODED_PX / min(width, height), TRANSCODED_PX * 16 / 9 / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
