"""Opening a video file: its container, the stream that is its picture, and the decoder.

Only local files are opened: a playlist or a text that names other files or hosts is refused.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import av
from av.stream import Disposition

from seds.errors import SedsError

# Larger frames are refused before memory is allocated for them: a file of a few bytes can claim any size.
MAX_PIXELS = 8192 * 8192

# The formats that are opened. Playlists and lists of files (hls, dash, concat) are not among them: they open others.
_FORMATS = (
    "mov,matroska,avi,mpegts,mpeg,flv,asf,ogg,mxf,dv,yuv4mpegpipe,gif,apng,"
    "mpegvideo,h264,hevc,av1,ivf,image2,png_pipe,jpeg_pipe"
)

# FFmpeg's own decoders of VP8 and VP9 ignore the transparency, which WebM keeps beside each frame.
_DECODERS_OF_TRANSPARENCY = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

# Streams that show the same video in little, or only together with another one.
_LESSER = Disposition.timed_thumbnails | Disposition.still_image | Disposition.dependent


class VideoError(SedsError, ValueError):
    """A video that cannot be read, or not to its end. The message names the file and the reason."""


@dataclass(frozen=True)
class OpenVideo:
    """An open file, the stream that is read, and the decoder for that, which is `stream.codec_context` or another."""

    path: Path
    container: av.container.InputContainer
    stream: av.VideoStream
    decoder: av.VideoCodecContext

    def remarks(self) -> list[str]:
        """What a user should look at in a file that can be read."""
        others = [stream for stream in video_streams(self.container) if stream.index != self.stream.index]
        if not others:
            return []
        return [f"several video streams: {_size(self.stream)} px is read, not {', '.join(map(_size, others))} px"]


@contextmanager
def open_video(path: str | Path) -> Iterator[OpenVideo]:
    """Raises VideoError for what is no video, and for frames of more than MAX_PIXELS."""
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
        # What FFmpeg says of a format that is not among those allowed: "Invalid argument".
        other = error.errno == errno.EINVAL
        why = (
            "its format is not one of those that are read; convert it, for instance to mp4" if other else reason(error)
        )
        raise VideoError(f"{path}: is not a readable video: {why}") from None
    with container:
        stream = main_stream(container)
        if stream is None:
            kinds = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
            raise VideoError(f"{path}: has no video stream (it has: {kinds})")
        if stream.codec_context is None:
            raise VideoError(f"{path}: no decoder for its video stream")
        size = stream.codec_context.width, stream.codec_context.height
        if size[0] * size[1] > MAX_PIXELS:
            raise VideoError(f"{path}: is {size[0]}x{size[1]}; frames of more than {MAX_PIXELS} px are refused")
        decoder = _decoder(stream)
        decoder.options = {"max_pixels": str(MAX_PIXELS)}  # a later frame may be larger
        # One thread: many workers decode at once, and decoding is far cheaper than what follows.
        decoder.thread_type = "NONE"
        decoder.thread_count = 1
        yield OpenVideo(path, container, stream, decoder)


def video_streams(container: av.container.InputContainer) -> list[av.VideoStream]:
    """The video streams of a file. To the demuxer, the cover picture of an audio file is one too; it is left out."""
    return [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]


def main_stream(container: av.container.InputContainer) -> av.VideoStream | None:
    """The video stream that a player shows: the one marked as default, else the largest, else the first."""
    return max(video_streams(container), key=_prominence, default=None)


def reason(error: av.FFmpegError) -> str:
    return error.strerror or type(error).__name__


def _prominence(stream: av.VideoStream) -> tuple[bool, bool, bool, int]:
    context = stream.codec_context
    return (
        context is not None,
        not stream.disposition & _LESSER,
        bool(stream.disposition & Disposition.default),
        context.width * context.height if context else 0,
    )


def _size(stream: av.VideoStream) -> str:
    context = stream.codec_context
    return f"{context.width}x{context.height}" if context else "an unknown codec's"


def _decoder(stream: av.VideoStream) -> av.VideoCodecContext:
    name = _DECODERS_OF_TRANSPARENCY.get(stream.codec_context.name)
    tags = {key.lower(): value for key, value in stream.metadata.items()}
    if name is None or tags.get("alpha_mode") != "1":
        return stream.codec_context
    return cast(av.VideoCodecContext, av.CodecContext.create(name, "r"))
