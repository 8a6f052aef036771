"""The face of a demo signer: the 68 points of 300-W, from which it is both drawn and annotated."""

from __future__ import annotations

import numpy as np

from seds.demo.motion import Figure
from seds.demo.signer import Signer

JAW, RIGHT_BROW, LEFT_BROW, NOSE_BRIDGE, NOSE_BASE = (
    slice(0, 17), slice(17, 22), slice(22, 27), slice(27, 31), slice(31, 36)
)  # fmt: skip
RIGHT_EYE, LEFT_EYE, LIPS, MOUTH = slice(36, 42), slice(42, 48), slice(48, 60), slice(60, 68)
HALF_WIDTH = 0.70  # of the face, in half head heights
_EARS = np.array([[-0.74, 0.02], [0.74, 0.02]])

_BROW = np.array([[-0.56, -0.26], [-0.47, -0.33], [-0.36, -0.35], [-0.25, -0.34], [-0.15, -0.29]])
_EYE = np.array([[-0.46, -0.10], [-0.37, -0.17], [-0.25, -0.17], [-0.16, -0.09], [-0.25, -0.05], [-0.37, -0.05]])
_MIRROR = np.array([-1, 1])


def points(state: np.ndarray) -> np.ndarray:
    """[68,2] in half head heights from the middle of the head, x to the image's right, upright.

    `state` is a row of motion.Performance.face: mouth openness, mouth roundness, eyelids down, brows up, ...
    """
    openness, roundness, lids, brows = state[:4]
    angle = np.pi * np.arange(17) / 16
    jaw = np.stack([-HALF_WIDTH * np.cos(angle), 0.02 + 0.96 * np.sin(angle)], 1)
    right_brow = _BROW - [0, 0.07 * brows]
    bridge = np.stack([np.zeros(4), np.linspace(-0.10, 0.22, 4)], 1)
    base = np.stack([np.linspace(-0.13, 0.13, 5), 0.30 - np.array([0.02, 0, -0.02, 0, 0.02])], 1)
    right_eye = _EYE.copy()
    right_eye[[1, 2], 1] += 0.10 * lids

    wide, tall, gap = 0.27 - 0.12 * roundness, 0.075 + 0.12 * openness, 0.012 + 0.12 * openness
    around = np.pi * (1 - np.arange(12) / 6)  # from the right corner over the top
    lips = np.stack([wide * np.cos(around), 0.56 - tall * np.sin(around)], 1)
    inside = np.pi * (1 - np.arange(8) / 4)
    mouth = np.stack([0.8 * wide * np.cos(inside), 0.56 - gap * np.sin(inside)], 1)
    left_eye = (right_eye * _MIRROR)[[3, 2, 1, 0, 5, 4]]
    return np.concatenate(
        [jaw, right_brow, (right_brow * _MIRROR)[::-1], bridge, base, right_eye, left_eye, lips, mouth]
    )


def place(figure: Figure, signer: Signer, points: np.ndarray) -> np.ndarray:
    """Points [n,2] of the upright head (half head heights from its middle) in px, tilted with the head."""
    cosine, sine = np.cos(figure.face[4]), np.sin(figure.face[4])
    half = 0.5 * signer.head * figure.unit
    return figure.head + half * points @ np.array([[cosine, sine], [-sine, cosine]])


def landmarks(figure: Figure, signer: Signer) -> np.ndarray:
    """The 68 points in px, [68,2]."""
    return place(figure, signer, points(figure.face))


def ears(figure: Figure, signer: Signer) -> np.ndarray:
    """The signer's right and left ear in px, [2,2]."""
    return place(figure, signer, _EARS)
