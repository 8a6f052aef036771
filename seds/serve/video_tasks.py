"""What the server does with video files, each in a confined process: vet a clip, tell whether a browser plays a video,
make one that it plays, take a picture.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

import av
from PIL import Image

from seds import video
from seds.serve.sandbox import Handler, OnProgress

# Containers that an uploaded clip may have: those of cameras, phones and the web. No playlists, no pictures.
FORMATS = "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg"
# What Chromium, Firefox and Safari play, by container: codec and pixel formats. The rest is made anew.
_EIGHT_BIT = ("yuv420p", "yuvj420p")
_PLAYED = {
    "mov,mp4,m4a,3gp,3g2,mj2": ("video/mp4", {"h264": _EIGHT_BIT}),
    "matroska,webm": ("video/webm", {"vp8": _EIGHT_BIT, "vp9": _EIGHT_BIT}),
}
MEDIA_TYPES = tuple(media_type for media_type, _ in _PLAYED.values())
POSTER_PX = 320  # longer side
FILM_PX = 720  # longer side is at most 16/9 of it
_POSTER_AT = 0.4  # of the duration: hands rest at both ends
_SECONDS_UNKNOWN = 5.0
_TICK = Fraction(1, 90_000)  # s, of the films' clock


def build() -> Handler:
    """Every task of this module: {"do": its name, ...arguments}."""
    tasks: dict[str, Callable[..., Any]] = {"vet": _vet, "kind": _kind, "poster": _poster, "film": _film}

    def run(asked: dict[str, Any], report: OnProgress) -> bytes:
        asked = dict(asked)
        return json.dumps(tasks[asked.pop("do")](report=report, **asked)).encode()

    return run


def read(answer: bytes) -> Any:
    """What a task gave."""
    return json.loads(answer)


def _vet(path: str, most_frames: int, most_pixels: int, most_s: float, report: OnProgress) -> dict[str, int | float]:
    """Frames, seconds and size (px) of a clip. Nothing of it is decoded before its size is known to be in bounds.

    Raises ValueError: no video, or beyond one of the bounds.
    """
    options = {"protocol_whitelist": "file", "format_whitelist": FORMATS, "max_pixels": str(most_pixels)}
    try:
        with av.open(f"file:{path}", options=options) as container:
            streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
            if not streams or streams[0].codec_context is None:
                raise ValueError("it has no video in it that can be read")
            width, height = streams[0].codec_context.width, streams[0].codec_context.height
            if not 0 < width * height <= most_pixels:  # 0: the decoder, which has the same bound, gave up
                raise ValueError(f"its frames have no size, or more than {most_pixels:,} pixels")
            frames, seconds = _extent(container, streams[0], most_frames, most_s)
    except av.FFmpegError:
        raise ValueError("it is not a video that can be read") from None
    if not frames:
        raise ValueError("it has no frame")
    return {"frames": frames, "seconds": seconds, "width": width, "height": height}


def _extent(
    container: av.container.InputContainer, stream: av.VideoStream, most_frames: int, most_s: float
) -> tuple[int, float]:
    """Frames and seconds, by reading its packets: headers may say anything."""
    frames, first, last = 0, None, 0.0
    for packet in container.demux(stream):
        if packet.size:
            frames += 1
        if packet.pts is not None and packet.time_base is not None:
            at = float(packet.pts * packet.time_base)
            first = at if first is None else min(first, at)
            last = max(last, at)
        if frames > most_frames:
            raise ValueError(f"it has more than {most_frames:,} frames")
        if first is not None and last - first > most_s:
            raise ValueError(f"it is longer than {most_s:g} s")
    return frames, last - (first or 0.0)


def _kind(path: str, report: OnProgress) -> str | None:
    """The media type of a file that browsers play as it is; None of another, and of a folder of frames."""
    if not Path(path).is_file():
        return None
    try:
        with av.open(f"file:{path}", options={"protocol_whitelist": "file"}) as container:
            media_type, codecs = _PLAYED.get(container.format.name, (None, {}))
            stream = container.streams.video[0] if container.streams.video else None
            context = stream.codec_context if stream else None
            return media_type if context and context.pix_fmt in codecs.get(context.name, ()) else None
    except av.FFmpegError:
        return None


def _poster(
    path: str, output: str, start_s: float | None, end_s: float | None, fps: float | None, seconds: float | None,
    report: OnProgress,
) -> None:  # fmt: skip
    """A JPEG of a frame of the cut at start_s <= t < end_s."""
    at = (start_s or 0.0) + _POSTER_AT * (_SECONDS_UNKNOWN if seconds is None else seconds)
    try:
        frame = next(video.frames(path, at, end_s, fps))
    except video.VideoError:  # shorter than it says
        frame = next(video.frames(path, start_s, end_s, fps))
    picture = Image.fromarray(frame)
    picture.thumbnail((POSTER_PX, POSTER_PX))
    picture.save(output, "JPEG", quality=80)


def _film(
    path: str, output: str, start_s: float | None, end_s: float | None, fps: float, seconds: float | None,
    report: OnProgress,
) -> None:  # fmt: skip
    """The cut as H.264 in mp4, at most FILM_PX high; its frames are shown when they are in the file, so that moments
    fit, and the first from the start. Where nothing tells when, and in a folder, their rate is `fps`.
    """
    rate = Fraction(fps).limit_denominator(10_000)
    expected = max(1.0, fps * (_SECONDS_UNKNOWN if seconds is None else seconds))
    frames = video.timed_frames(path, start_s, end_s, fps)
    first = next(frames)
    width, height = _even(first.image.shape[1], first.image.shape[0])
    with av.open(output, "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options={"preset": "veryfast", "crf": "23"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.time_base = _TICK
        before = -1
        for i, (image, begin, _) in enumerate(chain([first], frames)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(width, height, "yuv420p", interpolation="AREA")
            due = i / fps if i == 0 or math.isnan(begin) else begin - (start_s or 0.0)
            before = max(before + 1, round(due / _TICK))  # two frames at one time are refused by the codec
            frame.pts, frame.time_base = before, _TICK
            container.mux(stream.encode(frame))
            if i % 10 == 0:
                report(min(1.0, i / expected))
        container.mux(stream.encode(None))


def _even(width: int, height: int) -> tuple[int, int]:
    """A size that H.264 takes, of the same shape, no larger than FILM_PX allows."""
    scale = min(1.0, FILM_PX / min(width, height), FILM_PX * 16 / 9 / max(width, height))
    return max(2, 2 * round(width * scale / 2)), max(2, 2 * round(height * scale / 2))
