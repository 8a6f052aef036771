"""When a video's frames are shown, and how long it lasts, in seconds by its file's clock (seds.video.clock).

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


def file_end_s(video: Any) -> float:
    """When the last frame of a row's file ends, s. begin_s, if the row has it: when its first frame begins."""
    return getattr(video, "begin_s", 0.0) + video.frames / video.fps


def duration_s(video: Any) -> float:
    """Length in s of a row (of itertuples) with start_s, end_s, frames and fps, at the file's mean rate."""
    file_end = file_end_s(video)
    start = 0.0 if pd.isna(video.start_s) else video.start_s
    end = file_end if pd.isna(video.end_s) else min(video.end_s, file_end)
    return max(0.0, end - start)
