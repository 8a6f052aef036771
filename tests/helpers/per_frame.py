"""SPEC 3-5 as it reads: one frame, one hand and one window after the other. What the loader is held against.

Plain, but not made slow: the 21 joints of a hand are one array. tests/data/test_hands.py has the rules joint by joint.
"""

from math import ceil, floor, sqrt

import numpy as np

from seds.config import Manifest
from seds.skeleton import JOINT, LEFT_HAND, RIGHT_HAND

BODY = [JOINT[name] for name in (
    "nose", "left_shoulder", "left_elbow", "left_wrist", "right_shoulder", "right_elbow", "right_wrist"
)]  # fmt: skip
SIDES = {"left": (LEFT_HAND, (5, 7, 9)), "right": (RIGHT_HAND, (6, 8, 10))}  # the hand; shoulder, elbow, wrist


def sample(
    keypoints: np.ndarray, width: int, height: int, rules: Manifest, margin_px: float | None = None
) -> dict[str, np.ndarray]:
    """left, right [F,21,2], body [F,7,2], raw_frames [F], starts [n] of a video's keypoints [T,133,3]."""
    every = ceil(len(keypoints) / rules.max_frames) if len(keypoints) > rules.max_frames else 1
    frames, joints = [], {"left": [], "right": [], "body": []}
    for t in range(0, len(keypoints), every):
        points = keypoints[t]
        boxes = {side: hand_box(points, side, width, height, rules, margin_px) for side in SIDES}
        if boxes["left"] is None and boxes["right"] is None:
            continue
        frames.append(t)
        for side, box in boxes.items():
            joints[side].append(np.zeros((21, 2)) if box is None else hand_joints(points, side, box, rules))
        joints["body"].append(points[BODY, :2].astype(float) / [width, height] * 256)
    stacked = {part: np.array(of_frames, np.float32) for part, of_frames in joints.items()}
    return stacked | {"raw_frames": np.array(frames, np.int32), "starts": window_starts(len(frames), rules)}


def hand_box(
    points: np.ndarray, side: str, width: int, height: int, rules: Manifest, margin_px: float | None
) -> tuple[int, int, int] | None:
    """x, y and size of a hand's crop in one frame; None where the hand is not seen."""
    hand, arm = SIDES[side]
    joints = points[hand]
    visible = joints[joints[:, 2] > rules.visible, :2].astype(float)
    if len(visible) >= rules.visible_joints:
        low, extent = visible.min(axis=0), visible.max(axis=0) - visible.min(axis=0)
        size, smaller = round(2.2 * max(extent)), min(width, height)
        fits = size < smaller - 1
        if not fits:
            size = smaller - 1
        corner = []
        for axis, length in enumerate((width, height)):
            if not fits and length == smaller:
                corner.append(0)
            else:
                start = round(max(0.0, low[axis] + extent[axis] / 2 - size / 2))
                corner.append(start - max(0, start + size - (length - 1)))
        return (*corner, size) if size > 0 else None
    if any(points[joint, 2] < rules.arm for joint in arm):
        return None
    (sx, sy), (ex, ey), (wx, wy) = (points[joint, :2].astype(float) for joint in arm)
    if margin_px is not None and wy >= height - margin_px:
        return None
    forearm, upper_arm = sqrt((wx - ex) ** 2 + (wy - ey) ** 2), sqrt((ex - sx) ** 2 + (ey - sy) ** 2)
    size = 1.1 * max(forearm, 0.9 * upper_arm)
    x = max(0.0, wx + 0.33 * (wx - ex) - size / 2)
    y = max(0.0, wy + 0.33 * (wy - ey) - size / 2)
    size = min(width - x if x + size > width else size, height - y if y + size > height else size)
    return (int(x), int(y), int(size)) if int(size) > 0 else None


def hand_joints(points: np.ndarray, side: str, box: tuple[int, int, int], rules: Manifest) -> np.ndarray:
    """A hand in its crop, [21,2] px of 256."""
    joints = points[SIDES[side][0]].astype(float)
    xy = np.where(points[SIDES[side][0], 2:] > rules.gate, joints[:, :2], 0.0)
    xy = np.maximum((xy - box[:2]) / box[2] * 256, 0.0)
    if side == "left":
        xy[:, 0] = 256 - xy[:, 0]
        xy[xy >= 255] = 0.0
    return xy


def window_starts(retained: int, rules: Manifest) -> np.ndarray:
    """First frame of each window, counted in retained frames."""
    if retained == 0:
        return np.empty(0, np.int64)
    count = max(1, retained - rules.window + 1)
    if count <= rules.max_windows:
        return np.array(list(range(count)))
    step = (count - 1) / (rules.max_windows - 1)
    return np.array([floor(i * step) for i in range(rules.max_windows - 1)] + [count - 1])


def nearest_window(raw_frames: np.ndarray, starts: np.ndarray, rgb_starts: np.ndarray, rules: Manifest) -> np.ndarray:
    """For each pose window the RGB window (of as many frames) whose middle is nearest, of two the earlier."""
    found = []
    for start in starts:
        covered = raw_frames[start : start + rules.window]
        middle = (int(covered[0]) + int(covered[-1])) / 2
        distances = [abs(int(first) + (rules.window - 1) / 2 - middle) for first in rgb_starts]
        found.append(distances.index(min(distances)))
    return np.array(found, np.int64)
