"""The signers of the demo corpus: their bodies, looks, cameras and manners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]  # RGB

# Skin: the back of the hand and the face, the palm. Each has a signer before one comes twice.
_SKINS: tuple[tuple[Colour, Colour], ...] = (
    ((236, 188, 158), (246, 205, 182)),
    ((150, 98, 66), (205, 158, 128)),
    ((222, 166, 126), (238, 188, 154)),
    ((242, 202, 180), (250, 214, 198)),
    ((186, 128, 90), (222, 172, 138)),
    ((112, 72, 50), (186, 138, 110)),
)
_HAIR: tuple[Colour, ...] = ((58, 38, 26), (24, 20, 20), (112, 72, 38), (172, 128, 66), (38, 28, 26), (20, 18, 20))
_TOPS: tuple[Colour, ...] = ((44, 62, 92), (62, 88, 148), (36, 92, 84), (70, 40, 84), (38, 42, 48), (30, 112, 128))
_WALLS: tuple[Colour, ...] = (
    (186, 196, 204), (198, 206, 192), (206, 198, 184), (150, 176, 160), (170, 164, 190), (206, 206, 210),
)  # fmt: skip
_HAIRCUTS = ("short", "long", "bun")


@dataclass(frozen=True)
class Signer:
    """A person and the camera before them. Lengths in shoulder widths, from the point between the shoulders."""

    name: str
    left_handed: bool
    # body
    upper_arm: float
    forearm: float
    hand: float  # wrist to middle fingertip
    head: float  # chin to crown
    neck: float  # chin above the shoulders
    girth: float  # factor on the thickness of limbs and torso
    # looks
    skin: Colour
    palm: Colour
    hair: Colour
    haircut: str
    top: Colour
    sleeve: float  # share of the arm that is covered, from the shoulder: below 1 the upper arm, up to 2 the forearm too
    wall: Colour
    # camera
    zoom: float  # shoulder width in frame widths
    offset: tuple[float, float]  # of the point between the shoulders from its usual place, frame widths
    noise: float  # standard deviation, grey levels
    # manner
    tempo: float  # 1 = usual, above = faster
    slack: float  # spread of the places where a sign is made, shoulder widths


def make_signers(count: int, rng: np.random.Generator) -> list[Signer]:
    """`count` different signers, "signer1" and on; every third is left-handed."""
    return [_make(i, rng) for i in range(count)]


def _make(i: int, rng: np.random.Generator) -> Signer:
    skin, palm = _SKINS[i % len(_SKINS)]
    return Signer(
        name=f"signer{i + 1}",
        left_handed=i % 3 == 2,
        upper_arm=rng.uniform(0.75, 0.81),
        forearm=rng.uniform(0.62, 0.67),
        hand=rng.uniform(0.49, 0.53),
        head=rng.uniform(0.69, 0.74),
        neck=rng.uniform(0.14, 0.17),
        girth=rng.uniform(0.92, 1.08),
        skin=skin,
        palm=palm,
        hair=_HAIR[i % len(_HAIR)],
        haircut=_HAIRCUTS[i % len(_HAIRCUTS)],
        top=_TOPS[i % len(_TOPS)],
        sleeve=(0.55, 1.85, 0.62, 1.85, 1.3, 0.6)[i % 6],
        wall=_WALLS[i % len(_WALLS)],
        zoom=rng.uniform(0.385, 0.41),
        offset=(rng.uniform(-0.025, 0.025), rng.uniform(-0.01, 0.02)),
        noise=rng.uniform(0.5, 1.5),
        tempo=rng.uniform(0.94, 1.08),
        slack=rng.uniform(0.008, 0.02),
    )
