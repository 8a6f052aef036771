"""When a video's frames are shown, and how long it lasts.

A row of the videos table may be a cut of a longer file; its `frames` are those of the whole file.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

FRAME_TIMES = "frame_times"  # field of the frame times, among the tensors of a video whose frame rate varies


def frame_edges(uneven: np.ndarray | None, frames: int, fps: float) -> np.ndarray:
    """float64 [frames + 1] s since the start of the cut: `uneven` if given, else by the mean rate."""
    return np.arange(frames + 1) / fps if uneven is None else uneven


def duration_s(video: Any) -> float:
    """Length in s of a row (of itertuples) with start_s, end_s, frames and fps, at the file's mean rate."""
    whole = video.frames / video.fps
    start = 0.0 if pd.isna(video.start_s) else video.start_s
    end = whole if pd.isna(video.end_s) else min(video.end_s, whole)
    return max(0.0, end - start)
