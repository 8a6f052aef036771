"""Videos as the pipeline reads them, from a file or a folder of numbered frames: RGB frames as a player shows them.

`probe` and `frames` take either. `fps` is the frame rate that the corpus gives for a folder; for a file, which knows
its own, it is ignored. Frames stream: one is decoded at a time, whatever a video's length.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from seds.system.files import file_sha256
from seds.video import frame_folder, video_file
from seds.video.container import VideoError
from seds.video.frame_folder import frame_files
from seds.video.video_file import TimedFrame, VideoInfo

__all__ = ["TimedFrame", "VideoError", "VideoInfo", "content_hash", "frame_files", "frames", "probe", "timed_frames"]


def probe(path: str | Path, fps: float | None = None) -> VideoInfo:
    """Number of frames, rate and size (px, as shown) of a video; its first frame is decoded.

    Raises VideoError if it cannot be read, or if it is a folder and `fps` is missing.
    """
    return frame_folder.probe(path, fps) if Path(path).is_dir() else video_file.probe(path)


def frames(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
) -> Iterator[np.ndarray]:
    """The frames shown at start_s <= t < end_s (None = from the start, to the end).

    Seconds are those that a player shows: since a file's picture or sound begins, whichever is first; since the first
    frame of a folder.

    Yields uint8 [H,W,3] RGB, all of one size. `fps` is needed for a cut of a folder. Raises VideoError, at the first
    frame that cannot be read at the latest.
    """
    for frame in timed_frames(path, start_s, end_s, fps):
        yield frame.image


def timed_frames(
    path: str | Path, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
) -> Iterator[TimedFrame]:
    """The same frames, each with the time when it is shown: NaN in a folder of frames and in a few formats of files."""
    if Path(path).is_dir():
        return (TimedFrame(image, math.nan, math.nan) for image in frame_folder.frames(path, start_s, end_s, fps))
    return video_file.timed_frames(path, start_s, end_s)


def content_hash(path: str | Path) -> str:
    """sha256 (hex) of a file's bytes; of a folder, over the sorted names and the bytes of its frames.

    It does not depend on where the video is. Raises VideoError for a folder without frames, OSError as reading does.
    """
    path = Path(path)
    if not path.is_dir():
        return file_sha256(path)
    files = sorted(frame_files(path), key=lambda file: file.name)
    if not files:
        raise VideoError(f"{path}: is a folder without a PNG or JPEG frame")
    digest = hashlib.sha256()
    for file in files:
        # A name contains no zero byte and a digest has a fixed length, so no two folders give the same stream.
        digest.update(os.fsencode(file.name) + b"\0" + bytes.fromhex(file_sha256(file)))
    return digest.hexdigest()
