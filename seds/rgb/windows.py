"""The windows of raw frames that RGB features are extracted from."""

from __future__ import annotations

import numpy as np


def rgb_windows(frames: int, window: int, stride: int) -> np.ndarray:
    """Starts of the windows over `frames` raw frames, int64 [n], n >= 1, ascending.

    0, stride, 2 stride, ... as long as a window fits. If that grid stops short of the end, one more window ends at the
    last frame. A video shorter than a window has one window, which starts at 0; its reader repeats the last frame.
    Raises ValueError for a negative count and for sizes below 1.
    """
    if frames < 0:
        raise ValueError(f"frames must not be negative, got {frames}")
    for name, size in (("window", window), ("stride", stride)):
        if size < 1:
            raise ValueError(f"{name} must be at least 1, got {size}")
    last = max(0, frames - window)
    starts = np.arange(0, last + 1, stride, dtype=np.int64)
    return starts if starts[-1] == last else np.append(starts, last)
