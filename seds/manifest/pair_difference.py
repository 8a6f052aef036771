"""How far the keypoints of the two videos of a minimal pair differ, in the joints that the pose stream reads.

A pair that differs in the face alone should give these joints the same places; what the detector sees differently is
what the pose stream has to tell the pair apart by.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from seds.data.joints import UPPER_BODY
from seds.shards import ShardReader
from seds.skeleton import JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

_HANDS = [*range(JOINTS)[LEFT_HAND], *range(JOINTS)[RIGHT_HAND]]
_READ = [*UPPER_BODY, *_HANDS]
_NOSE = UPPER_BODY.index(JOINT["nose"])


def by_contrast(videos: pd.DataFrame, reader: ShardReader) -> dict[str, dict[str, Any]]:
    """{contrast: {pairs, joints_px, joints_px_95, nose_px, shoulders_px}} of the videos of a split.

    Of the distances in all frames of a contrast's pairs, the median and the 95th percentile over the joints, and the
    median of the nose, which moves with the head; beside them the median width of the shoulders. Joints that one of the
    two videos lacks do not count. Only a pair of two videos with as many frames counts, such as one that is rendered;
    frames at the same place are compared.
    """
    apart: dict[str, list[np.ndarray]] = {}  # [frames, joints] px
    widths: dict[str, list[np.ndarray]] = {}
    for contrast, one, other in _pairs(videos, reader):
        distance = np.linalg.norm(one[:, _READ, :2] - other[:, _READ, :2], axis=2)
        distance[(one[:, _READ, 2] <= 0) | (other[:, _READ, 2] <= 0)] = np.nan
        apart.setdefault(contrast, []).append(distance)
        shoulders = one[:, JOINT["left_shoulder"], :2] - one[:, JOINT["right_shoulder"], :2]
        widths.setdefault(contrast, []).append(np.linalg.norm(shoulders, axis=1))
    return {contrast: {"pairs": len(rows)} | _summary(rows, widths[contrast]) for contrast, rows in apart.items()}


def _summary(apart: list[np.ndarray], widths: list[np.ndarray]) -> dict[str, float]:
    joints = np.concatenate(apart)
    values = {
        "joints_px": np.nanmedian(joints),
        "joints_px_95": np.nanpercentile(joints, 95),
        "nose_px": np.nanmedian(joints[:, _NOSE]),
        "shoulders_px": np.median(np.concatenate(widths)),
    }
    return {name: round(float(value), 2) for name, value in values.items()}


def _pairs(videos: pd.DataFrame, reader: ShardReader) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """(contrast, keypoints [T,133,3] of the one video, of the other)."""
    for _, rows in videos[videos["pair"] != ""].groupby("pair", sort=False):
        if len(rows) == 2 and all(video_id in reader for video_id in rows["video_id"]):
            one, other = (reader.read(video_id, ["keypoints"])[0] for video_id in rows["video_id"])
            if len(one) == len(other):
                yield rows["contrast"].iloc[0], one, other
