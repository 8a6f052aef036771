"""Small real video files."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np


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


def write_uneven(path: Path, images: Sequence[np.ndarray], begins: Sequence[float], codec: str = "libx264") -> Path:
    """A film whose frames [H,W,3] begin at those times, s."""
    tick = Fraction(1, 1000)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10, options={"crf": "10"})
        stream.pix_fmt, stream.codec_context.time_base = "yuv420p", tick
        stream.height, stream.width = images[0].shape[:2]
        for image, begin in zip(images, begins, strict=False):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = round(begin / tick), tick
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
