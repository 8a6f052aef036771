"""Small real video files."""

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
