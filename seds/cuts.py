"""How long a video is. A row of the videos table may be a cut of a longer file, and counts the frames of that."""

from __future__ import annotations

from typing import Any

import pandas as pd


def duration_s(video: Any) -> float:
    """Seconds of a row (of itertuples) with start_s, end_s, frames and fps, at the file's mean rate."""
    whole = video.frames / video.fps
    start = 0.0 if pd.isna(video.start_s) else video.start_s
    end = whole if pd.isna(video.end_s) else min(video.end_s, whole)
    return max(0.0, end - start)
