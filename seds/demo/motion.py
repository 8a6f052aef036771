"""From glosses to moving joints: strokes, co-articulation, arms by inverse kinematics, the camera.

T frames. Space is (x outwards or to the image's right, y downwards, z towards the viewer), in shoulder widths from the
point between the shoulders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from seds.demo import hand
from seds.demo.language import BACK, SIGNS, Form, Mouth, Pose, Sign
from seds.demo.signer import Signer

STROKE_S, TRANSITION_S, REST_S = 0.42, 0.32, 0.08  # a sign, the way to the next, standing still at both ends
MIDDLE_OF_HAND = 0.45  # from the wrist, in hand lengths: the point that a sign's place speaks of
IN_FRONT, RESTING = 0.34, 0.18  # z of the wrists while signing and at rest
REST = Pose("loose", 0.40, 0.97, 98, BACK)

Path = Callable[[float], np.ndarray]  # u in [0,1] -> posture

# Movement on top of start -> end, over one stroke u in [0,1]: (x, y outwards and down, fingers, palm in degrees).
MOVES: dict[str, Callable[[float], tuple[float, float, float, float]]] = {
    "hold": lambda u: (0.0, 0.0, 0.0, 0.0),
    "tap": lambda u: (-0.06 * _hump(u), 0.08 * _hump(u), 0.0, 0.0),
    "pump": lambda u: (0.0, 0.09 * np.sin(2 * np.pi * u), 0.0, 0.0),
    "circle": lambda u: (0.07 * np.sin(2 * np.pi * u), 0.07 * (np.cos(2 * np.pi * u) - 1), 0.0, 0.0),
    "sway": lambda u: (0.05 * np.sin(2 * np.pi * u), 0.0, 20 * np.sin(2 * np.pi * u), 0.0),
    "twist": lambda u: (0.0, 0.0, 0.0, 30 * np.sin(2 * np.pi * u)),
}

# A posture, P = 5 + hand.SHAPE_SIZE: x, y of the middle of the hand, its z, finger direction, palm roll, handshape.
# A face. Shares in [0,1]: the mouth open, round, spread, its corners down, the tongue out; brows up (below 0: down);
# eyelids down (below 0: eyes wide). The head's tilt (radians), nod (head heights) and turn to a side in [-1,1].
FACE_SIZE = 10
OPEN, ROUND, SPREAD, DOWN, TONGUE, BROWS, LIDS, TILT, NOD, TURN = range(FACE_SIZE)
_MOUTH = slice(OPEN, TONGUE + 1)

# Mouth gestures as (open, round, spread, corners down, tongue out).
_GESTURES: dict[Mouth, tuple[float, ...]] = {
    "open": (1.0, 0.0, 0.0, 0.0, 0.0),
    "round": (0.25, 1.0, 0.0, 0.0, 0.0),
    "spread": (0.15, 0.0, 1.0, 0.0, 0.0),
    "tongue": (0.45, 0.0, 0.0, 0.0, 1.0),
}
_NEGATING_MOUTH = (0.0, 0.0, 0.0, 1.0, 0.0)
# Mouthing: the vowels of the gloss, as (open, round); smaller than the gestures, which tell signs apart.
_VOWELS = {"A": (0.5, 0.1), "E": (0.25, 0.0), "I": (0.2, 0.0), "O": (0.4, 0.4), "U": (0.2, 0.5), "Y": (0.15, 0.0)}
_ONSET_S = 0.16  # a marker of face or head rises before the first sign that it belongs to, and falls after the last
_SHAKE_HZ = 2.3
# Of a question. Farther up or wider, and MediaPipe takes the face for one that is raised, with the nose elsewhere.
_QUESTION_BROWS, _QUESTION_EYES = 0.7, 0.7


class TimedSign(NamedTuple):
    """A sign of the hands, or a marker of face and head over the signs that it belongs to.

    From the first frame of the stroke (of the first sign) to the first frame after it (after the last), s from the
    video's start.
    """

    start_s: float
    end_s: float
    tier: str  # manual, nonmanual
    label: str  # the gloss; question, negation, or the mouth's gesture


@dataclass(frozen=True)
class Performance:
    """What a signer does over T frames."""

    dominant: np.ndarray  # [T, P]
    other: np.ndarray  # [T, P]
    face: np.ndarray  # [T, FACE_SIZE]
    sway: np.ndarray  # [T, 2], of the whole body, shoulder widths
    signs: list[TimedSign]


@dataclass(frozen=True)
class Figure:
    """A signer's joints in one frame, px, z towards the viewer. Side 0 is the signer's right, side 1 the left."""

    shoulders: np.ndarray  # [2, 3]
    elbows: np.ndarray  # [2, 3]
    hands: np.ndarray  # [2, 21, 3]
    facing: np.ndarray  # [2, 5, 3], where the soft sides of the fingertips face
    palms: np.ndarray  # [2, 3], where the palms face
    hips: np.ndarray  # [2, 3]
    head: np.ndarray  # [2], its middle
    face: np.ndarray  # [FACE_SIZE]
    unit: float  # px a shoulder width


def perform(
    glosses: Sequence[str], signer: Signer, fps: float, rng: np.random.Generator, form: Form = "statement"
) -> Performance:
    """One take of a sentence: minimum-jerk strokes, joined by minimum-jerk transitions, from rest to rest.

    The hands, their timing and what is drawn from `rng` do not depend on `form`, nor on which of two twins is signed.
    """
    signs = [SIGNS[gloss] for gloss in glosses]
    tempo = signer.tempo * rng.uniform(0.94, 1.06)
    slip = rng.normal(0, signer.slack, (len(signs), 2, 2)).clip(-0.04, 0.04)  # of each sign's place, for each hand

    # Each phase: its length in s, and the paths of the dominant and the other hand.
    still = _stay(_posture(REST, RESTING))
    phases: list[tuple[float, Path, Path]] = [(REST_S, still, still)]
    strokes = []  # index of each sign's phase

    def move_on(seconds: float, dominant: Path, other: Path) -> None:
        """Append a phase, and the transition to where it begins."""
        _, last_dominant, last_other = phases[-1]
        way = TRANSITION_S * rng.uniform(0.9, 1.1)
        phases.append((way, _blend(last_dominant(1), dominant(0)), _blend(last_other(1), other(0))))
        phases.append((seconds, dominant, other))

    for sign, (slip_dominant, slip_other) in zip(signs, slip, strict=True):
        move_on(STROKE_S * rng.uniform(0.9, 1.1), *_strokes(sign, slip_dominant, slip_other))
        strokes.append(len(phases) - 1)
    move_on(REST_S, still, still)

    edges = np.concatenate([[0], np.cumsum([length / tempo for length, _, _ in phases])])
    times = np.arange(0, edges[-1], 1 / fps)
    phase = np.searchsorted(edges, times, side="right") - 1
    progress = (times - edges[phase]) / np.diff(edges)[phase]
    both = np.array([[phases[p][1](u), phases[p][2](u)] for p, u in zip(phase, progress, strict=True)])
    begin, end = edges[strokes], edges[np.array(strokes) + 1]  # s
    marked = slice(-2, None) if form == "negation" else slice(None)  # the signs that a negation denies: the last two
    spans = [(begin[i], end[i], "manual", sign.gloss) for i, sign in enumerate(signs)]
    if form != "statement":
        spans.append((begin[marked][0], end[-1], "nonmanual", form))
    mouths = [(*spans[i][:2], "nonmanual", f"mouth {sign.mouth}") for i, sign in enumerate(signs) if sign.mouth]
    return Performance(
        dominant=both[:, 0],
        other=both[:, 1],
        face=_faces(signs, times, begin, end, form, spans[-1][:2], rng),
        sway=0.012 * np.sin(2 * np.pi * (times[:, None] * rng.uniform(0.25, 0.5, 2) + rng.uniform(0, 1, 2))),
        signs=[
            TimedSign(np.ceil(b * fps) / fps, np.ceil(e * fps) / fps, tier, label)
            for b, e, tier, label in (*spans, *mouths)
        ],
    )


def articulate(performance: Performance, frame: int, signer: Signer, size: int) -> Figure:
    """The joints in a frame of `size` x `size` px."""
    unit = signer.zoom * size
    face, sway = performance.face[frame], performance.sway[frame]
    origin = np.array([(0.5 + signer.offset[0]) * size, (0.445 + signer.offset[1]) * size, 0.0])

    def to_px(points: np.ndarray, side: int) -> np.ndarray:
        """From one side's outward coordinates; the signer's right is at the image's left."""
        mirrored = points * [1 if side else -1, 1, 1] + [sway[0], sway[1], 0]
        return origin + mirrored * unit

    shoulder, hip = np.array([0.5, 0.0, 0.0]), np.array([0.33, 1.36, 0.0])
    arms = []
    for side in (0, 1):
        dominant = (side == 1) == signer.left_handed
        posture = (performance.dominant if dominant else performance.other)[frame]
        axes = hand.axes(posture[3], posture[4])
        bones, facing = hand.joints(posture[5:], axes)
        elbow, wrist = reach(
            shoulder, posture[:3] - MIDDLE_OF_HAND * signer.hand * axes[1], signer.upper_arm, signer.forearm
        )
        points = [to_px(point, side) for point in (shoulder, elbow, wrist + bones * signer.hand, hip)]
        mirror = np.array([1 if side else -1, 1, 1])
        arms.append((*points, facing * mirror, axes[2] * mirror))
    shoulders, elbows, hands, hips, facing, palms = (np.stack(part) for part in zip(*arms, strict=True))
    head = np.array([0.3 * face[TILT] + 0.02 * face[TURN], -signer.neck - (0.5 - face[NOD]) * signer.head, 0.0])
    return Figure(shoulders, elbows, hands, facing, palms, hips, to_px(head, 1)[:2], face, unit)


def reach(shoulder: np.ndarray, wrist: np.ndarray, upper: float, fore: float) -> tuple[np.ndarray, np.ndarray]:
    """Two-link inverse kinematics: (elbow, wrist), each [3], in outward coordinates.

    The elbow hangs down, outwards and back. A wrist out of reach (too far, or nearer than |upper - fore|) is moved
    along its line from the shoulder to where the arm can be.
    """
    line = wrist - shoulder
    distance = np.linalg.norm(line)
    along = line / distance
    distance = np.clip(distance, abs(upper - fore) + 0.02, 0.995 * (upper + fore))
    pole = np.array([0.55, 1.0, -0.35])
    bend = pole - (pole @ along) * along
    bend /= np.linalg.norm(bend)
    cosine = (upper**2 + distance**2 - fore**2) / (2 * upper * distance)
    elbow = shoulder + upper * (cosine * along + np.sqrt(1 - cosine**2) * bend)
    return elbow, shoulder + distance * along


def ease(u: float) -> float:
    """The minimum-jerk path from 0 to 1 (Flash & Hogan, 1985)."""
    return u**3 * (10 - 15 * u + 6 * u**2)


def _hump(u: float) -> float:
    return float(np.sin(np.pi * u) ** 2)


def _posture(pose: Pose, z: float = IN_FRONT) -> np.ndarray:
    return np.concatenate([[pose.x, pose.y, z, pose.fingers, pose.palm], hand.SHAPES[pose.shape]])


def _stay(posture: np.ndarray) -> Path:
    return lambda u: posture


def _blend(start: np.ndarray, end: np.ndarray) -> Path:
    return lambda u: start + ease(u) * (end - start)


def _strokes(sign: Sign, slip: np.ndarray, slip_other: np.ndarray) -> tuple[Path, Path]:
    """The paths of the dominant and the other hand over the stroke of a sign, each displaced by its slip, [2]."""
    way = _blend(_posture(sign.start), _posture(sign.end or sign.start))
    move = MOVES[sign.move]

    def stroke(u: float, sense: int, slip: np.ndarray) -> np.ndarray:
        posture = way(u)
        posture[[0, 1, 3, 4]] += sense * np.array(move(u))
        posture[:2] += slip
        return posture

    if sign.other is None:
        other = _stay(_posture(REST, RESTING))
    elif isinstance(sign.other, Pose):
        held = _posture(sign.other)
        held[:2] += slip_other
        other = _stay(held)
    else:
        other = partial(stroke, sense=-1 if sign.other == "alternate" else 1, slip=slip_other)
    return partial(stroke, sense=1, slip=slip), other


def _faces(
    signs: Sequence[Sign],
    times: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    form: Form,
    marked: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    """[T, FACE_SIZE]: mouth gestures and mouthing, blinks, brows raised a little on the topic, the head moving with
    the signs, and the marker of `form` over the seconds `marked`.
    """
    face = np.zeros((len(times), FACE_SIZE))
    blink = rng.uniform(times[0], times[-1])
    lids = np.exp(-(((times - blink) / 0.06) ** 2))
    tempo, start = rng.uniform(0.3, 0.6), rng.uniform(0, 1)
    face[:, TILT] = rng.uniform(-0.03, 0.03) + 0.04 * np.sin(2 * np.pi * (times * tempo + start))
    face[:, NOD] = rng.uniform(-0.03, 0.03)  # nobody holds the head alike twice
    marker = np.zeros(len(times)) if form == "statement" else _plateau(times, *marked)
    if form == "negation":
        face[:, _MOUTH] = marker[:, None] * _NEGATING_MOUTH
        face[:, TURN] = marker * np.sin(2 * np.pi * _SHAKE_HZ * (times - marked[0]))
    for place, (sign, begin, end) in enumerate(zip(signs, starts, ends, strict=True)):
        bell = np.exp(-((((times - begin) / (end - begin)) - 0.5) ** 2) / 0.18)
        if sign.mouth is not None:
            gesture = _plateau(times, begin, end)[:, None]
            face[:, _MOUTH] += gesture * (_GESTURES[sign.mouth] - face[:, _MOUTH])
        elif form != "negation" or begin < marked[0]:
            vowels = [_VOWELS[letter] for letter in sign.gloss if letter in _VOWELS]
            for i, (openness, roundness) in enumerate(vowels):
                centre = begin + (end - begin) * (i + 0.5) / len(vowels)
                syllable = np.exp(-(((times - centre) / (0.5 * (end - begin) / len(vowels))) ** 2))
                face[:, OPEN] = np.maximum(face[:, OPEN], openness * syllable)
                face[:, ROUND] = np.maximum(face[:, ROUND], roundness * syllable)
        if place < len(signs) - 1:
            face[:, BROWS] = np.maximum(face[:, BROWS], 0.2 * bell)
        else:
            face[:, NOD] += 0.03 * bell
        if sign.gloss == "SLEEP":
            lids = np.maximum(lids, bell)
            face[:, TILT] += 0.10 * bell
    if form == "question":
        face[:, BROWS] = np.maximum(face[:, BROWS], _QUESTION_BROWS * marker)
        lids = lids - _QUESTION_EYES * marker * (1 - lids)
    elif form == "negation":
        face[:, BROWS] -= 0.6 * marker
    face[:, LIDS] = lids
    return face


def _plateau(times: np.ndarray, begin: float, end: float) -> np.ndarray:
    """1 from `begin` to `end` s, rising over the _ONSET_S before it and falling over those after."""
    return np.array([ease(u) for u in np.clip(np.minimum(times - begin, end - times) / _ONSET_S + 1, 0, 1)])
