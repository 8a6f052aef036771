"""The face of a demo signer: the 68 points of 300-W, from which it is both drawn and annotated."""

from __future__ import annotations

import numpy as np

from seds.demo.motion import BROWS, DOWN, LIDS, OPEN, ROUND, SPREAD, TILT, TONGUE, TURN, Figure
from seds.demo.signer import Signer

JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSE_BASE = (
    slice(0, 17), slice(17, 22), slice(22, 27), slice(27, 31), slice(31, 36)
)  # fmt: skip
RIGHT_EYE, LEFT_EYE, LIPS, MOUTH = slice(36, 42), slice(42, 48), slice(48, 60), slice(60, 68)
HALF_WIDTH = 0.70  # of the face, in half head heights
_EARS = np.array([[-0.74, 0.02], [0.74, 0.02]])

_BROW = np.array([[-0.54, -0.30], [-0.46, -0.37], [-0.34, -0.39], [-0.22, -0.37], [-0.13, -0.33]])
_BROW_RAISE = 0.26
_EYE = np.array([-0.32, -0.07])
_EYE_WIDTH, _EYE_HEIGHT = 0.19, 0.105  # half
_LIPS_Y = 0.55
_MIRROR = np.array([-1, 1])


def points(state: np.ndarray) -> np.ndarray:
    """[68,2] in half head heights from the middle of the head, x to the image's right, upright.

    `state` is a row of motion.Performance.face.
    """
    angle = np.pi * np.arange(17) / 16
    jaw = np.stack([-HALF_WIDTH * np.cos(angle), 0.02 + 0.96 * np.sin(angle)], 1)
    right_brow = _BROW - [0, _BROW_RAISE * state[BROWS]]
    right_brow[3:, 1] -= 0.10 * min(0.0, state[BROWS])  # brows that go down knit
    bridge = np.stack([np.zeros(4), np.linspace(-0.10, 0.19, 4)], 1)
    base = np.stack([np.linspace(-0.13, 0.13, 5), 0.26 - np.array([0.02, 0, -0.02, 0, 0.02])], 1)
    corners = np.pi * (1 - np.arange(6) / 3)  # from the outer corner over the top
    height = _EYE_HEIGHT * (1 - state[LIDS])
    right_eye = _EYE + np.stack([_EYE_WIDTH * np.cos(corners), -height * np.sin(corners)], 1)
    left_eye = (right_eye * _MIRROR)[[3, 2, 1, 0, 5, 4]]

    wide = 0.29 + 0.18 * state[SPREAD] - 0.13 * state[ROUND]
    gap = 0.01 + 0.24 * state[OPEN] + 0.07 * state[SPREAD] + 0.06 * state[ROUND]
    lip = 0.07 + 0.06 * state[ROUND] - 0.02 * state[DOWN]
    rings = []
    for points, half_width, half_height in ((12, wide + lip / 2, gap + lip), (8, wide - lip / 2, gap)):
        around = np.pi * (1 - 2 * np.arange(points) / points)  # from the right corner over the top
        bow = state[DOWN] * (0.22 * np.cos(around) ** 2 - 0.10)
        rings.append(np.stack([half_width * np.cos(around), _LIPS_Y + bow - half_height * np.sin(around)], 1))
    features = np.concatenate([right_brow, (right_brow * _MIRROR)[::-1], bridge, base, right_eye, left_eye, *rings])
    features[:, 0] = np.clip(features[:, 0] + 0.20 * state[TURN], -HALF_WIDTH, HALF_WIDTH)
    return np.concatenate([jaw, features])


def tongue(state: np.ndarray) -> tuple[np.ndarray, tuple[float, float]]:
    """Middle and radii of the tongue in the units of `points`; radii of 0 while it is in."""
    out = float(state[TONGUE])
    return np.array([0.20 * state[TURN], _LIPS_Y + 0.02 + 0.14 * out]), (0.15 * out, 0.20 * out)


def place(figure: Figure, signer: Signer, points: np.ndarray) -> np.ndarray:
    """Points [n,2] of the upright head (half head heights from its middle) in px, tilted with the head."""
    cosine, sine = np.cos(figure.face[TILT]), np.sin(figure.face[TILT])
    half = 0.5 * signer.head * figure.unit
    return figure.head + half * points @ np.array([[cosine, sine], [-sine, cosine]])


def landmarks(figure: Figure, signer: Signer) -> np.ndarray:
    """The 68 points in px, [68,2]."""
    return place(figure, signer, points(figure.face))


def ears(figure: Figure, signer: Signer) -> np.ndarray:
    """The signer's right and left ear in px, [2,2]."""
    return place(figure, signer, _EARS)
