"""Keypoints drawn on frames, to look at what an estimator found."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from seds.pose.skeleton import FACE, FINGERS, HAND_BONES, JOINT, LEFT_HAND, RIGHT_HAND

# Colours are RGB. The signer's left arm is orange and the right one green, so that a swap is seen at once.
_LEFT, _RIGHT, _TRUNK, _FACE = (255, 140, 0), (0, 200, 80), (170, 170, 170), (240, 240, 240)
_FINGER_COLOURS = dict(
    zip(FINGERS, ((255, 64, 64), (255, 200, 0), (64, 220, 64), (64, 160, 255), (200, 90, 255)), strict=True)
)
_BODY_BONES = (
    *((f"{side}_{a}", f"{side}_{b}", colour)
      for side, colour in (("left", _LEFT), ("right", _RIGHT))
      for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "big_toe"),
                   ("ankle", "heel"), ("eye", "ear"))),
    *((a, b, _TRUNK)
      for a, b in (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
                   ("right_shoulder", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye"))),
)  # fmt: skip
# Runs of the 68 face points that make a line, and whether it closes.
_FACE_LINES = (
    (range(17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False), (range(31, 36), False),
    (range(36, 42), True), (range(42, 48), True), (range(48, 60), True), (range(60, 68), True),
)  # fmt: skip
_SUBPIXEL = 4  # OpenCV draws at 1/16 px


def draw(frame: np.ndarray, keypoints: np.ndarray, threshold: float = 0.3) -> np.ndarray:
    """A copy of the frame, uint8 [H,W,3] RGB, with the skeleton [133,3] (x px, y px, confidence) over it.

    A line is drawn where both its joints' confidence exceeds `threshold`. The left arm is orange, the right one green;
    fingers are red, yellow, green, blue and violet from thumb to little finger.
    """
    image = np.ascontiguousarray(frame).copy()
    width = max(1, round(max(image.shape[:2]) / 400))

    def line(a: int, b: int, colour: tuple[int, int, int]) -> None:
        if min(keypoints[a, 2], keypoints[b, 2]) > threshold:
            ends = np.round(keypoints[[a, b], :2] * 2**_SUBPIXEL).astype(int).tolist()
            cv2.line(image, ends[0], ends[1], colour, width, cv2.LINE_AA, _SUBPIXEL)

    for start, end, colour in _BODY_BONES:
        line(JOINT[start], JOINT[end], colour)
    for run, closed in _FACE_LINES:
        points = [FACE.start + i for i in run]
        for i, j in zip(points, points[1:] + points[:1] * closed, strict=False):
            line(i, j, _FACE)
    for hand in (LEFT_HAND, RIGHT_HAND):
        for a, b in HAND_BONES:
            line(hand.start + a, hand.start + b, _FINGER_COLOURS[FINGERS[(b - 1) // 4]])
    return image


def contact_sheet(
    frames: Sequence[np.ndarray], keypoints: np.ndarray, columns: int, threshold: float = 0.3
) -> np.ndarray:
    """Frames of one size with their skeletons [N,133,3] on one sheet, row by row; uint8 RGB, the rest black."""
    if not frames or len(frames) != len(keypoints):
        raise ValueError(f"a contact sheet needs as many frames as skeletons, got {len(frames)} and {len(keypoints)}")
    height, width = frames[0].shape[:2]
    sheet = np.zeros((math.ceil(len(frames) / columns) * height, columns * width, 3), np.uint8)
    for i, (frame, skeleton) in enumerate(zip(frames, keypoints, strict=True)):
        top, left = i // columns * height, i % columns * width
        sheet[top : top + height, left : left + width] = draw(frame, skeleton, threshold)
    return sheet
