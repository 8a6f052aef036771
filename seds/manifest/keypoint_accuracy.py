"""How good extracted keypoints are: PCK if a corpus has true joints, and what was detected if it has none.

PCK, the percentage of correct keypoints (Yang and Ramanan, TPAMI 2013): the share of the true joints that an estimate
lies near. Near means, for elbows and wrists, at most 0.1 of the true distance between the shoulders of that frame; for
finger joints (all of a hand but its wrist) at most 0.2 of the true hand's size, which is the longer side of the box
around its 21 joints. A joint that was not detected (confidence 0) is a miss. Only joints that the truth marks as drawn
count. Here a share, in [0,1].
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from safetensors import safe_open

from seds import tables
from seds.manifest import pair_difference
from seds.shards import ShardReader
from seds.skeleton import JOINT, LEFT_HAND, RIGHT_HAND

ARM_TOLERANCE = 0.1  # of the distance between the shoulders
FINGER_TOLERANCE = 0.2  # of the hand's size
SEEN = 0.1  # a hand is seen where the mean confidence of its joints exceeds this

_ARMS = {f"{side}_{part}": JOINT[f"{side}_{part}"] for part in ("elbow", "wrist") for side in ("left", "right")}
_GROUP = {name: f"{name.split('_')[1]}s" for name in _ARMS} | {"left_fingers": "fingers", "right_fingers": "fingers"}
_HANDS = {"left_fingers": LEFT_HAND, "right_fingers": RIGHT_HAND}


def hits(estimated: np.ndarray, true: np.ndarray) -> dict[str, tuple[int, int]]:
    """Correct and true joints of a video, by group: left_elbow ... right_wrist, left_fingers, right_fingers.

    estimated: [T,133,3] x px, y px, confidence. true: [T,133,3] x px, y px, 1 where drawn. Raises ValueError if the
    numbers of frames differ.
    """
    if estimated.shape != true.shape:
        raise ValueError(f"keypoints are {estimated.shape}, the true joints {true.shape}")
    distance = np.linalg.norm(estimated[..., :2] - true[..., :2], axis=2)  # [T,133] px
    distance[estimated[..., 2] <= 0] = np.inf
    drawn = true[..., 2] > 0
    shoulders = np.linalg.norm(
        true[:, JOINT["left_shoulder"], :2] - true[:, JOINT["right_shoulder"], :2], axis=1
    )  # [T]
    result = {}
    for name, joint in _ARMS.items():
        result[name] = _count(distance[:, joint] <= ARM_TOLERANCE * shoulders, drawn[:, joint])
    for name, hand in _HANDS.items():
        size = np.ptp(true[:, hand, :2], axis=1).max(axis=1)  # [T]
        fingers = slice(hand.start + 1, hand.stop)
        result[name] = _count(distance[:, fingers] <= FINGER_TOLERANCE * size[:, None], drawn[:, fingers])
    return result


def by_split(videos: pd.DataFrame, reader: ShardReader, truth: Path) -> dict[str, dict[str, Any]]:
    """`report` of the train, dev and test videos of a VIDEOS table whose keypoints `reader` reads; with minimal pairs
    in a split, also `pairs` (pair_difference.by_contrast).

    truth: a safetensors file of [T,133,3] true joints by video_id; it may be missing, as in real corpora.
    """
    with safe_open(truth, framework="numpy") if truth.is_file() else nullcontext() as joints:

        def read(video_id: str) -> tuple[np.ndarray, np.ndarray | None] | None:
            if video_id not in reader:
                return None
            (keypoints,) = reader.read(video_id, ["keypoints"])
            return keypoints, None if joints is None else joints.get_tensor(video_id)

        readable = videos[videos["status"] == "ok"]
        result = {}
        for split in tables.SPLITS:
            rows = readable[readable["split"] == split]
            result[split] = report(map(read, rows["video_id"]))
            differences = pair_difference.by_contrast(rows, reader)
            if differences:
                result[split]["pairs"] = differences
        return result


def report(videos: Iterable[tuple[np.ndarray, np.ndarray | None] | None]) -> dict[str, Any]:
    """Of the videos of a split, each (keypoints, true joints or None) or None where extraction failed.

    Holds `videos`, `failed`, `frames`; `left_hand` and `right_hand`, the share of the frames where each was seen;
    `confidence`, the mean over frames and joints; and, where true joints were given, `pck` by group with `elbows`,
    `wrists` and `fingers` of both sides together.
    """
    count = failed = frames = 0
    sums = np.zeros(3)  # frames with the left hand, with the right hand; confidence
    totals: dict[str, np.ndarray] = {}
    for video in videos:
        count += 1
        if video is None:
            failed += 1
            continue
        keypoints, true = video
        confidence = keypoints[..., 2].astype(np.float64)
        frames += len(keypoints)
        sums += (*(_seen(keypoints, hand).sum() for hand in _HANDS.values()), confidence.mean(axis=1).sum())
        if true is not None:
            for name, pair in hits(keypoints, true).items():
                for group in (name, _GROUP[name]):
                    totals[group] = totals.get(group, np.zeros(2)) + pair
    left, right, mean = (sums / max(frames, 1)).round(4).tolist()
    result = {
        "videos": count,
        "failed": failed,
        "frames": frames,
        "left_hand": left,
        "right_hand": right,
        "confidence": mean,
    }
    pck = {group: round(float(correct / known), 4) for group, (correct, known) in sorted(totals.items()) if known}
    return {**result, "pck": pck} if pck else result


def _seen(keypoints: np.ndarray, hand: slice) -> np.ndarray:
    """[T] bool"""
    return keypoints[:, hand, 2].mean(axis=1) > SEEN


def _count(correct: np.ndarray, drawn: np.ndarray) -> tuple[int, int]:
    return int((correct & drawn).sum()), int(drawn.sum())
