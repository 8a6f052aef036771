"""One video as the model reads it: hands in their crops, pose windows, and the RGB window of each (SPEC 3-5).

All of it is computed here from raw keypoints, so an experiment on it never repeats an extraction.
seds.data.sample_cache keeps what `make_sample` gives, until the code of this file or of what it imports changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seds.config import SampleRules
from seds.data import hands, windows


@dataclass(frozen=True)
class Sample:
    """What the model reads of a video's keypoints. F retained frames, n pose windows.

    left, right: float32 [F,21,2]; body: float32 [F,7,2], px of a 256 px frame (SPEC 4).
    raw_frames: int32 [F], the number of each retained frame in the video. starts: int64 [n], first retained frame of
    each pose window, which so covers the raw frames raw_frames[start] .. raw_frames[min(start + window, F) - 1].
    nearest: int64 [n], the RGB window nearest to each pose window.
    """

    left: np.ndarray
    right: np.ndarray
    body: np.ndarray
    raw_frames: np.ndarray
    starts: np.ndarray
    nearest: np.ndarray


@dataclass(frozen=True)
class Video(Sample):
    """One video, ready for the model. features: float16 [V, features], one row an RGB window of the file."""

    features: np.ndarray
    video_id: str
    sentence_id: str
    text: str

    @property
    def rgb(self) -> np.ndarray:
        """The features nearest to each pose window, float16 [n, features]; copied whenever asked for."""
        return self.features[self.nearest]


def make_sample(
    keypoints: np.ndarray,
    width: int,
    height: int,
    rgb_starts: np.ndarray,
    rgb_window: int,
    rules: SampleRules,
) -> Sample:
    """keypoints: [T,133,3] px in a frame of width x height; rgb_starts: int [V], raw frames, ascending, of windows of
    `rgb_window` frames. Raises ValueError for keypoints of another shape, and where there is no RGB window.
    """
    retained = hands.retain(keypoints, hands.Frame.of(width, height, rules), rules)
    starts = windows.pose_windows(len(retained.frames), rules.window, rules.max_windows)
    nearest = windows.nearest_rgb(windows.pose_centres(retained.frames, starts, rules.window), rgb_starts, rgb_window)
    return Sample(retained.left, retained.right, retained.body, retained.frames.astype(np.int32), starts, nearest)
