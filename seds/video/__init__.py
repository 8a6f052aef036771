"""Videos as the pipeline reads them: a file, or a folder of numbered frames; RGB frames as a player shows them.

`probe` and `frames` take either. `fps` is what the corpus says of a folder; a file says it itself, and it is ignored.
Frames stream: whatever a video's length, one is decoded at a time.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seds.video import frame_folder, video_file
from seds.video.frame_folder import frame_files
from seds.video.video_file import TimedFrame, VideoError, VideoInfo

__all__ = ["TimedFrame", "VideoError", "VideoInfo", "content_hash", "frame_files", "frames", "probe", "timed_frames"]


def probe(path: str | Path, fps: float | None = None) -> VideoInfo:
    """Number of frames, rate and size (px, as shown) of a video; its first frame is decoded.

    Raises VideoError: it cannot be read, or it is a folder and `fps` is missing.
    """
    return frame_folder.probe(path, fps) if Path(path).is_dir() else video_file.probe(path)


def frames(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
) -> Iterator[np.ndarray]:
    """The frames shown at start_s <= t < end_s (seconds from the first; None = from the start, to the end).

    Yields uint8 [H,W,3] RGB, all of one size. `fps` is needed for a cut of a folder. Raises VideoError, at the first
    frame that cannot be had, if not before.
    """
    for frame in timed_frames(path, start_s, end_s, fps):
        yield frame.image


def timed_frames(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
) -> Iterator[TimedFrame]:
    """Likewise, each with when it is shown: a file says it, of most formats, and a folder of frames does not."""
    if Path(path).is_dir():
        return (TimedFrame(image, math.nan, math.nan) for image in frame_folder.frames(path, start_s, end_s, fps))
    return video_file.timed_frames(path, start_s, end_s)


def content_hash(path: str | Path) -> str:
    """sha256 (hex) of a file's bytes; of a folder, over the sorted names and the bytes of its frames.

    It is the same wherever the video lies. Raises VideoError for a folder without frames, OSError as reading does.
    """
    path = Path(path)
    if not path.is_dir():
        return _file_digest(path).hexdigest()
    files = sorted(frame_files(path), key=lambda file: file.name)
    if not files:
        raise VideoError(f"{path}: is a folder without a PNG or JPEG frame")
    digest = hashlib.sha256()
    for file in files:
        # A name holds no zero byte and a digest has one length, so no two folders make the same stream.
        digest.update(os.fsencode(file.name) + b"\0" + _file_digest(file).digest())
    return digest.hexdigest()


def _file_digest(path: Path) -> hashlib._Hash:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256")
