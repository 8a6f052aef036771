"""Small real video files."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

from seds.video import frames


def film(path: Path, frames: int = 12, fps: int = 10, width: int = 64, height: int = 48, shade: int = 0) -> Path:
    """An H.264 mp4 of a brightening grey; another shade is another file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for level in range(frames):
            image = np.full((height, width, 3), (shade + 10 * level) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def write_uneven(
    path: Path, images: Sequence[np.ndarray], begins: Sequence[float], codec: str = "libx264", rate: int = 10
) -> Path:
    """A film whose frames [H,W,3] begin at those times, s. rate: frames a second that its header claims."""
    tick = Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"crf": "10"})
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", tick
        stream.height, stream.width = images[0].shape[:2]
        for image, begin in zip(images, begins, strict=False):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(begin / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def numbered(
    path: Path,
    times: Iterable[int] = range(50),
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    rate: int = 25,
    options: dict[str, str] | None = None,
    container_format: str | None = None,
    container_options: dict[str, str] | None = None,
    sound_s: float | None = None,
) -> Path:
    """A 64x48 film in which the frame at t / rate s has the brightness 4 t, modulo 256; `frame_numbers` reads it.

    sound_s: when its sound begins, which is two seconds of silence; None = no sound.
    """
    mpeg = "mp2", 1152, np.int16, "s16"
    sound_codec, samples, dtype, sound_format = mpeg if path.suffix == ".mpg" else ("aac", 1024, np.float32, "fltp")
    with av.open(str(path), "w", format=container_format, options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, pixels, 2_000_000
        sound = None if sound_s is None else container.add_stream(sound_codec, rate=16_000)
        packets = []
        for time in times:
            image = np.full((48, 64, 3), 4 * time % 256, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, rate)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        if sound is not None and sound_s is not None:
            sound.codec_context.layout = "mono"
            for first in range(0, 32_000, samples):
                part = av.AudioFrame.from_ndarray(np.zeros((1, samples), dtype), format=sound_format, layout="mono")
                part.sample_rate, part.pts = 16_000, round(sound_s * 16_000) + first
                packets += sound.encode(part)
            packets += sound.encode(None)
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            container.mux(packet)
    return path


def frame_numbers(path: Path, start_s: float | None = None, end_s: float | None = None) -> list[int]:
    """Which frames of a `numbered` film are decoded, by their brightness."""
    return [round(float(image[32:, 32:].mean()) / 4) for image in frames(path, start_s, end_s)]


def two_streams(path: Path, default: set[int]) -> Path:
    """A stream of 3 frames of 64x64 px, then one of 50 frames of 160x120 px; which of them are marked as default."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=25) for _ in range(2)]
        for number, (stream, width, height) in enumerate(zip(streams, (64, 160), (64, 120), strict=True)):
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            stream.disposition = Disposition.default if number in default else Disposition(0)
        for stream, count in zip(streams, (3, 50), strict=True):
            for _ in range(count):
                image = np.zeros((stream.height, stream.width, 3), np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            container.mux(stream.encode(None))
    return path
