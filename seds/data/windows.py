"""Pose windows, and the RGB window that belongs to each (SPEC 5); both are runs of (by default) 16 frames.

Pose windows run over *retained* frames, in which a hand is seen (seds.data.hands); RGB windows run over *raw* frames,
as the file has them. The two are matched by time: a pose window takes the RGB window with the nearest centre.
"""

from __future__ import annotations

import numpy as np


def pose_windows(retained: int, window: int = 16, max_windows: int = 64) -> np.ndarray:
    """Starts of the windows over `retained` frames, int64 [n], counted in retained frames (SPEC 5).

    Every start from 0 to retained - window; if these are more than `max_windows`, that many evenly spaced ones,
    floor(linspace). A video shorter than a window has one window, from 0, in which the model repeats the last frame. A
    video without frames has none. Raises ValueError for a negative count and for sizes below 1.
    """
    _check(retained, "retained", window=window, max_windows=max_windows)
    if retained == 0:
        return np.empty(0, np.int64)
    count = max(1, retained - window + 1)
    if count <= max_windows:
        return np.arange(count, dtype=np.int64)
    return np.linspace(0, count - 1, max_windows).astype(np.int64)


def pose_centres(raw_frames: np.ndarray, starts: np.ndarray, window: int = 16) -> np.ndarray:
    """Middle of each pose window in raw frames, float64 [n]: the mean of its first and its last retained frame.

    raw_frames: the raw number of each retained frame, int [F], ascending. starts: of pose_windows(F), int [n].
    """
    last = np.minimum(starts + window - 1, len(raw_frames) - 1)
    return (raw_frames[starts] + raw_frames[last]) / 2


def nearest_rgb(pose_centres: np.ndarray, rgb_starts: np.ndarray, window: int) -> np.ndarray:
    """For each pose window, the index of the RGB window nearest in time, of two equally near the earlier; int64 [n].

    pose_centres: float [n], raw frames. rgb_starts: int [V], raw frames, ascending. window: frames of an RGB window.
    Raises ValueError when there is no RGB window.
    """
    if len(rgb_starts) == 0:
        raise ValueError("no RGB window to choose from: rgb_starts is empty")
    rgb_centres = np.asarray(rgb_starts) + (window - 1) / 2
    # Centres are multiples of a half, so distances are exact and a tie is a tie; argmin takes the first.
    return np.abs(np.asarray(pose_centres)[:, None] - rgb_centres).argmin(axis=1)


def _check(count: int, name: str, **sizes: int) -> None:
    if count < 0:
        raise ValueError(f"{name} must not be negative, got {count}")
    for size, value in sizes.items():
        if value < 1:
            raise ValueError(f"{size} must be at least 1, got {value}")
