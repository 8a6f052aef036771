"""Draws keypoints on frames."""

from __future__ import annotations

import cv2
import numpy as np

from seds.data.joints import HAND_BONES
from seds.show.quality import Track
from seds.skeleton import FACE, FINGERS, JOINT, LEFT_HAND, RIGHT_HAND
from seds.video.boxes import Box

Colour = tuple[int, int, int]

# Colours are RGB. The signer's left arm is orange and the right one green, so that swapped hands are easy to see.
LEFT, RIGHT, _TRUNK, _FACE = (255, 140, 0), (0, 200, 80), (170, 170, 170), (240, 240, 240)
_FINGER_COLOURS = dict(
    zip(FINGERS, ((255, 64, 64), (255, 200, 0), (64, 220, 64), (64, 160, 255), (200, 90, 255)), strict=True)
)
BODY_BONES = (
    *((f"{side}_{a}", f"{side}_{b}", colour)
      for side, colour in (("left", LEFT), ("right", RIGHT))
      for a, b in (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("ankle", "big_toe"),
                   ("ankle", "heel"), ("eye", "ear"))),
    *((a, b, _TRUNK)
      for a, b in (("left_shoulder", "right_shoulder"), ("left_hip", "right_hip"), ("left_shoulder", "left_hip"),
                   ("right_shoulder", "right_hip"), ("nose", "left_eye"), ("nose", "right_eye"))),
)  # fmt: skip
# Ranges of the 68 face points that form a line, and whether it is closed.
FACE_LINES = (
    (range(17), False), (range(17, 22), False), (range(22, 27), False), (range(27, 31), False), (range(31, 36), False),
    (range(36, 42), True), (range(42, 48), True), (range(48, 60), True), (range(60, 68), True),
)  # fmt: skip
_SUBPIXEL = 4  # coordinates are in 1/16 px
_FAR = 1e5  # px; OpenCV's coordinates have 32 bits


def draw(frame: np.ndarray, keypoints: np.ndarray, threshold: float = 0.3) -> np.ndarray:
    """A copy of the frame, uint8 [H,W,3] RGB, with the skeleton [133,3] (x px, y px, confidence) on top.

    A bone is drawn if the confidence of both its joints exceeds `threshold`. The left arm is orange, the right one
    green; fingers are red, yellow, green, blue and violet from thumb to little finger.
    """
    image = np.ascontiguousarray(frame).copy()
    width = _line_width(image)

    def line(a: int, b: int, colour: Colour) -> None:
        if min(keypoints[a, 2], keypoints[b, 2]) > threshold:
            ends = np.round(np.clip(keypoints[[a, b], :2], -_FAR, _FAR) * 2**_SUBPIXEL).astype(int).tolist()
            cv2.line(image, ends[0], ends[1], colour, width, cv2.LINE_AA, _SUBPIXEL)

    for start, end, colour in BODY_BONES:
        line(JOINT[start], JOINT[end], colour)
    for run, closed in FACE_LINES:
        points = [FACE.start + i for i in run]
        for i, j in zip(points, points[1:] + points[:1] * closed, strict=False):
            line(i, j, _FACE)
    for hand in (LEFT_HAND, RIGHT_HAND):
        for a, b in HAND_BONES:
            line(hand.start + a, hand.start + b, _FINGER_COLOURS[FINGERS[(b - 1) // 4]])
    return image


def draw_crops(image: np.ndarray, track: Track, frame: int, scale: float = 1.0) -> None:
    """Draw both hand crops of a frame onto `image`, which is `scale` times the size of the video.

    They have the arm's colour, with a solid line if the hand was detected and a dashed one if its place was guessed.
    """
    for hand, colour in ((track.left, LEFT), (track.right, RIGHT)):
        x, y, side = hand.boxes[frame].tolist()
        if side > 0:
            draw_box(image, (x, y, x + side, y + side), colour, scale, dashed=not hand.detected[frame])


def draw_box(image: np.ndarray, box: Box, colour: Colour, scale: float = 1.0, dashed: bool = False) -> None:
    """Draw a rectangle onto `image`. The box is in px of the frame, of which `image` is `scale` times the size."""
    left, top, right, bottom = (round(value * scale) for value in box)
    right, bottom = min(right, image.shape[1] - 1), min(bottom, image.shape[0] - 1)  # so that its edge is visible
    width = _line_width(image, 250)
    dash = 6 * width if dashed else max(right - left, bottom - top, 1)
    for x in range(left, right, 2 * dash):
        for y in (top, bottom):
            cv2.line(image, (x, y), (min(x + dash, right), y), colour, width)
    for y in range(top, bottom, 2 * dash):
        for x in (left, right):
            cv2.line(image, (x, y), (x, min(y + dash, bottom)), colour, width)


def _line_width(image: np.ndarray, share: int = 400) -> int:
    """Line width in px: 1/share of the image's longer side."""
    return max(1, round(max(image.shape[:2]) / share))
