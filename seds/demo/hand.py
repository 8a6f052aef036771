"""The hand of a demo signer: handshapes, and the 21 joints in space by forward kinematics.

Lengths are in hand lengths (wrist to the tip of the stretched middle finger). The hand's own axes are t (towards the
thumb), d (along the fingers) and n (out of the palm).
"""

from __future__ import annotations

import numpy as np

# Knuckles as (t, d) from the wrist, and the three bones of each finger; an adult's proportions.
KNUCKLES = np.array([[0.125, 0.475], [0.015, 0.485], [-0.09, 0.455], [-0.185, 0.40]])
BONES = np.array([[0.235, 0.145, 0.11], [0.25, 0.155, 0.115], [0.235, 0.15, 0.11], [0.19, 0.11, 0.10]])
THUMB_ROOT = np.array([0.11, 0.11])
THUMB_BONES = np.array([0.23, 0.17, 0.14])

# A finger: flexion of its first and of its second joint, degrees (the third follows the second).
_STRAIGHT, _CURLED, _HOOKED, _CLAWED, _PINCHED = (2, 4), (82, 105), (8, 85), (18, 58), (48, 38)
# A thumb: the directions of its three bones as (t, d, n).
_OUT = ((0.75, 0.62, 0.12), (0.85, 0.52, 0.05), (0.82, 0.57, 0.0))
_UP = ((0.68, 0.70, 0.2), (0.50, 0.86, 0.05), (0.30, 0.95, 0.0))
_ALONG = ((0.55, 0.80, 0.2), (0.18, 0.97, 0.15), (0.0, 1.0, 0.1))
_ACROSS = ((0.55, 0.70, 0.45), (-0.35, 0.80, 0.50), (-0.90, 0.35, 0.25))
_OPPOSED = ((0.45, 0.72, 0.52), (0.12, 0.85, 0.50), (0.0, 0.90, 0.42))
_WIDE, _CLOSED = (14, 2, -10, -24), (4, 1, -3, -7)  # spread of the fingers towards the thumb, degrees


def _shape(
    fingers: tuple[tuple[int, int], ...],
    thumb: tuple[tuple[float, float, float], ...],
    spread: tuple[int, int, int, int] = _CLOSED,
) -> np.ndarray:
    flexion = np.column_stack([np.array(fingers, float), np.array(spread, float)])  # [4, 3]
    return np.concatenate([flexion.ravel(), np.array(thumb).ravel()])


def _up(pattern: str) -> tuple[tuple[int, int], ...]:
    """ "1001": index and little finger stretched, the others curled."""
    return tuple(_STRAIGHT if finger == "1" else _CURLED for finger in pattern)


# Handshapes, as vectors that can be blended: 4 fingers x (flexion, flexion, spread), 3 thumb bones x (t, d, n).
SHAPES = {
    "flat": _shape(_up("1111"), _ALONG),
    "five": _shape(_up("1111"), _OUT, _WIDE),
    "fist": _shape(_up("0000"), _ACROSS),
    "thumb": _shape(_up("0000"), _UP),
    "point": _shape(_up("1000"), _ACROSS),
    "hook": _shape((_HOOKED, _CURLED, _CURLED, _CURLED), _ACROSS),
    "l": _shape(_up("1000"), _OUT),
    "two": _shape(_up("1100"), _ACROSS),
    "v": _shape(_up("1100"), _ACROSS, (16, -10, -4, -8)),
    "three": _shape(_up("1110"), _ACROSS, (16, 1, -14, -10)),
    "little": _shape(_up("0001"), _ACROSS, (2, 0, -3, -14)),
    "y": _shape(_up("0001"), _OUT, (2, 0, -3, -22)),
    "horns": _shape(_up("1001"), _ACROSS, (8, 0, -3, -16)),
    "claw": _shape((_CLAWED,) * 4, _OUT, _WIDE),
    "pinch": _shape((_PINCHED,) * 4, _OPPOSED),
    "ring": _shape(((50, 62), _STRAIGHT, _STRAIGHT, _STRAIGHT), _OPPOSED, (4, 0, -12, -26)),
    "loose": _shape(((14, 18), (18, 22), (22, 26), (26, 30)), _UP),
}
SHAPE_SIZE = len(SHAPES["flat"])


def axes(fingers: float, palm: float) -> np.ndarray:
    """[3,3], rows t, d, n: the hand's axes for finger direction and roll in degrees (see language).

    Coordinates are (outwards from the middle of the body, down, towards the viewer); the same for both hands, which
    mirror each other.
    """
    theta, phi = np.radians(fingers), np.radians(palm)
    d = np.array([-np.sin(theta), -np.cos(theta), 0.0])
    side = np.array([d[1], -d[0], 0.0])  # d x viewer
    n = np.array([0.0, 0.0, np.cos(phi)]) + np.sin(phi) * side
    return np.stack([np.cross(d, n), d, n])


def joints(shape: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The 21 joints [21,3] from the wrist, in hand lengths and COCO order, and where the five tips face, [5,3].

    `shape` is a blend of SHAPES, `frame` the hand's axes; a tip's facing is the outward normal of its soft side.
    """
    t, d, n = frame
    flexion, thumb = shape[:12].reshape(4, 3), shape[12:].reshape(3, 3)
    points, facing = np.zeros((21, 3)), np.zeros((5, 3))

    bones = thumb / np.linalg.norm(thumb, axis=1, keepdims=True) * THUMB_BONES[:, None]
    points[1] = THUMB_ROOT @ frame[:2]
    points[2:5] = points[1] + np.cumsum(bones @ frame, axis=0)
    facing[0] = n - 0.5 * t

    angle = np.radians(np.stack([flexion[:, 0], flexion.T[:2].sum(0), flexion[:, 0] + 1.6 * flexion[:, 1]], axis=1))
    spread = np.radians(flexion[:, 2])[:, None]
    ahead = np.cos(spread) * d + np.sin(spread) * t  # [4, 3]
    direction = np.cos(angle)[..., None] * ahead[:, None] + np.sin(angle)[..., None] * n  # [4, 3 bones, 3]
    chain = (KNUCKLES @ frame[:2])[:, None] + np.cumsum(direction * BONES[..., None], axis=1)
    for finger in range(4):
        points[5 + 4 * finger] = KNUCKLES[finger] @ frame[:2]
        points[6 + 4 * finger : 9 + 4 * finger] = chain[finger]
    facing[1:] = np.cos(angle[:, 2:]) * n - np.sin(angle[:, 2:]) * ahead
    return points, facing
