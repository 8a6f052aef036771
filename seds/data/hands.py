"""From whole-body keypoints to the pose encoder's input: hand crops, retained frames, joint coordinates (SPEC 3-4).

Shapes: T raw frames, K sampled frames, F retained frames. A box is (x0, y0, side) in px of the frame: crops are square.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seds.config import Manifest, SampleRules
from seds.data.joints import UPPER_BODY
from seds.skeleton import JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

CROP = 256.0  # side of the square that hand and body coordinates are given in
_HAND_MARGIN = 2.2  # side of a crop / the larger extent of the joints in it
_REACH = 0.33  # distance from the wrist to the middle of the hand / length of the forearm
_ARM_MARGIN, _UPPER_ARM = 1.1, 0.9  # side of a crop guessed from the arm / the arm's length; upper arm / forearm


@dataclass(frozen=True)
class Hand:
    """Where a hand and its arm are among the 133 joints, and whether its coordinates are mirrored."""

    joints: slice
    shoulder: int
    elbow: int
    wrist: int
    mirrored: bool


# The left hand is mirrored, so that one network reads both.
LEFT = Hand(LEFT_HAND, JOINT["left_shoulder"], JOINT["left_elbow"], JOINT["left_wrist"], mirrored=True)
RIGHT = Hand(RIGHT_HAND, JOINT["right_shoulder"], JOINT["right_elbow"], JOINT["right_wrist"], mirrored=False)


@dataclass(frozen=True)
class Frame:
    """The picture that keypoints lie in, px.

    wrist_margin: the elbow fallback ignores wrists nearer than this to the bottom; None ignores none.
    """

    width: int
    height: int
    wrist_margin: float | None = None

    @classmethod
    def of(cls, width: int, height: int, rules: SampleRules) -> Frame:
        return cls(width, height, None if rules.wrist_margin is None else rules.wrist_margin * height)


@dataclass(frozen=True)
class Retained:
    """The frames of a video in which at least one hand is seen, and their joints in the coordinates of SPEC 4."""

    frames: np.ndarray  # int64 [F], raw frame numbers, ascending
    left: np.ndarray  # float32 [F,21,2]; zeros where the hand is not seen
    right: np.ndarray  # float32 [F,21,2]
    body: np.ndarray  # float32 [F,7,2], in the order of UPPER_BODY
    left_seen: np.ndarray  # bool [F]
    right_seen: np.ndarray  # bool [F]


def retain(keypoints: np.ndarray, frame: Frame, rules: Manifest) -> Retained:
    """The retained frames of a video; none (F = 0) if no hand is seen in any.

    keypoints: [T,133,3], x px, y px, confidence; a joint that is not finite counts as not detected. In two cases the
    published release raises and this does not: a video in which one hand is never seen keeps the other hand, and a hand
    whose box has no area counts as not seen in that frame. Raises ValueError when keypoints has another shape.
    """
    if keypoints.ndim != 3 or keypoints.shape[1:] != (JOINTS, 3):
        raise ValueError(f"keypoints must be [T,{JOINTS},3], got {list(keypoints.shape)}")
    sampled = sample_frames(len(keypoints), rules.max_frames)  # [K]
    points = _detected(keypoints[sampled])  # [K,133,3]

    left, left_seen = _hand(points, LEFT, frame, rules)
    right, right_seen = _hand(points, RIGHT, frame, rules)
    body = points[:, UPPER_BODY, :2] / (frame.width, frame.height) * CROP

    retained = left_seen | right_seen
    return Retained(
        sampled[retained],
        left[retained].astype(np.float32),
        right[retained].astype(np.float32),
        body[retained].astype(np.float32),
        left_seen[retained],
        right_seen[retained],
    )


def seen(points: np.ndarray, frame: Frame, rules: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """In which frames the left and the right hand is seen, bool [K] each; `retain` keeps those with either.

    points: [K,133,3] as in `retain`, of sampled frames. Each frame is judged by itself, so the frames of many videos
    of one size can be passed together, which is far faster than video by video.
    """
    points = _detected(points)
    left, right = (hand_boxes(points, hand, frame, rules) for hand in (LEFT, RIGHT))
    return left[:, 2] > 0, right[:, 2] > 0


def sample_frames(frames: int, max_frames: int) -> np.ndarray:
    """The frames of a video that are read, int64: all, or every ceil(frames / max_frames)-th if there are more."""
    return np.arange(0, frames, max(1, -(-frames // max_frames)), dtype=np.int64)


def hand_boxes(points: np.ndarray, hand: Hand, frame: Frame, rules: Manifest) -> np.ndarray:
    """The crop of one hand in each frame, int64 [K,3] = x0, y0, side in px; side <= 0 where the hand is not seen.

    points: [K,133,3]. The crop is centred on the hand's joints if enough are visible, otherwise it is guessed from the
    arm if that is confident. With a crop without area (joints that coincide, an arm that leaves the frame) the hand
    counts as not seen.
    """
    # Boxes in float64, in which halves round as in the recordings; confidences in the dtype they come in, in which they
    # met the thresholds there.
    size = np.array([frame.width, frame.height])
    # Joints first, so that each step of a sum or a minimum over them runs through memory in order.
    joints = np.ascontiguousarray(points[:, hand.joints].transpose(2, 1, 0))  # [3,21,K]
    visible = joints[2] > rules.visible
    enough = visible.sum(axis=0) >= rules.visible_joints
    arm = [hand.shoulder, hand.elbow, hand.wrist]
    guessed = ~enough & (points[:, arm, 2] >= rules.arm).all(axis=1)
    if frame.wrist_margin is not None:
        guessed &= points[:, hand.wrist, 1].astype(np.float64) < frame.height - frame.wrist_margin

    boxes = np.zeros((len(points), 3), np.int64)
    boxes[enough] = _boxes_around(joints[:2, :, enough], visible[:, enough], size)
    boxes[guessed] = _boxes_beyond_wrist(points[guessed][:, arm, :2].astype(np.float64), size)
    return boxes


def _detected(points: np.ndarray) -> np.ndarray:
    """points [K,133,3] with zeros for joints that are not finite; the same array if all are."""
    finite = np.isfinite(points)
    return points if finite.all() else np.where(finite.all(axis=2, keepdims=True), points, np.zeros((), points.dtype))


def _boxes_around(xy: np.ndarray, visible: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes of hands by their visible joints. xy [2,21,N], visible [21,N] with one True a column at least -> [N,3]."""
    low = np.where(visible, xy, np.inf).min(axis=1).T.astype(np.float64)  # [N,2]
    extent = np.where(visible, xy, -np.inf).max(axis=1).T - low
    side = np.rint(_HAND_MARGIN * extent.max(axis=1, keepdims=True))  # rint: half to even, as recorded
    side = np.minimum(side, size.min() - 1)
    corner = np.rint(np.maximum(0, low + extent / 2 - side / 2))
    corner = np.minimum(corner, size - 1 - side)
    return np.concatenate([corner, side], axis=1).astype(np.int64)


def _boxes_beyond_wrist(arm: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Boxes guessed from the arm. arm [N,3,2], shoulder, elbow, wrist -> [N,3]; side <= 0 beyond the frame."""
    shoulder, elbow, wrist = arm[:, 0], arm[:, 1], arm[:, 2]
    forearm = np.linalg.norm(wrist - elbow, axis=1, keepdims=True)
    upper_arm = np.linalg.norm(elbow - shoulder, axis=1, keepdims=True)
    side = _ARM_MARGIN * np.maximum(forearm, _UPPER_ARM * upper_arm)
    corner = np.maximum(0, wrist + _REACH * (wrist - elbow) - side / 2)
    side = np.minimum(side, (size - corner).min(axis=1, keepdims=True))
    return np.concatenate([corner, side], axis=1).astype(np.int64)  # truncates, as recorded


def _hand(points: np.ndarray, hand: Hand, frame: Frame, rules: Manifest) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates [K,21,2] of a hand in its crop, zeros where it is not seen, and where it is seen, bool [K]."""
    boxes = hand_boxes(points, hand, frame, rules)
    seen = boxes[:, 2] > 0
    joints = points[:, hand.joints]
    # A gated joint goes to the frame's origin, not the crop's: as published, it lands at or below 0 and is clipped.
    xy = np.where(joints[:, :, 2:] > rules.gate, joints[:, :, :2], 0.0)
    xy = (xy - boxes[:, None, :2]) / np.where(seen, boxes[:, 2], 1)[:, None, None] * CROP
    xy = np.maximum(xy, 0.0)
    if hand.mirrored:
        xy[:, :, 0] = CROP - xy[:, :, 0]
        xy[xy >= CROP - 1] = 0.0  # as published, of x and of y; what was clipped at 0 is 0 again
    xy[~seen] = 0.0
    return xy, seen
