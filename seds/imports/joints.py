"""Which of a source's points are joints of COCO-WholeBody: MediaPipe, OpenPose, AlphaPose, mmpose, by their names.

A joint that a source lacks gets confidence 0; none is made from others.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seds.errors import SedsError
from seds.pose.mediapipe_holistic import BODY_LANDMARKS, FACE_LANDMARKS
from seds.skeleton import BODY_NAMES, FACE, FACE_NAMES, FOOT_NAMES, HAND_NAMES, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

HAND_POINTS, FACE_POINTS = len(HAND_NAMES), len(FACE_NAMES)
Component = tuple[str, Sequence[str]]  # its name, and those of its points


class KeypointsError(SedsError, ValueError):
    """Keypoints that cannot be used; the message says what was found and what was expected."""


@dataclass(frozen=True)
class Layout:
    """points: int [K], of the source; joints: int [K], what they are. name: for a person."""

    name: str
    points: np.ndarray
    joints: np.ndarray

    def to_wholebody(self, xyc: np.ndarray) -> np.ndarray:
        """[...,K,3] of the points in this order, x, y, confidence -> float32 [...,133,3].

        What is not finite, or has no confidence, is zero. Confidences above 1, as SimCC has them, are 1.
        """
        found = np.where(np.isfinite(xyc).all(-1, keepdims=True) & (xyc[..., 2:] > 0), xyc, 0)
        joints = np.zeros((*xyc.shape[:-2], JOINTS, 3), np.float32)
        joints[..., self.joints, :] = found
        np.minimum(joints[..., 2], 1, out=joints[..., 2])
        return joints


def by_names(name: str, components: Sequence[Component]) -> Layout:
    """The layout of components one after another, as the header of a .pose file has them.

    Raises KeypointsError if it has no joint of a hand.
    """
    points, joints, start = [], [], 0
    for component, names in components:
        for point, joint in _joints_of(component, names):
            points.append(start + point)
            joints.append(joint)
        start += len(names)
    if not any(joint >= LEFT_HAND.start for joint in joints):
        listed = ", ".join(f"{component} of {len(names)} points" for component, names in components[:8])
        raise KeypointsError(f"no point is a joint of a hand, by its name; found {listed or 'no component'}")
    return Layout(name, np.array(points), np.array(joints))


def _joints_of(component: str, names: Sequence[str]) -> list[tuple[int, int]]:
    """(point, joint) of a component."""
    title = component.upper()
    if "WORLD" in title:  # in metres around the hips
        return []
    if "HAND" in title:
        hand = LEFT_HAND if "LEFT" in title else RIGHT_HAND if "RIGHT" in title else None
        if hand is None or len(names) > HAND_POINTS:
            return []
        if len(names) == HAND_POINTS:  # wrist, thumb, index, ..., each from its root: all tools agree
            return [(point, hand.start + point) for point in range(HAND_POINTS)]
        known = [(point, _MEDIAPIPE_HAND.get(name.upper())) for point, name in enumerate(names)]
        return [(point, hand.start + joint) for point, joint in known if joint is not None]
    if "FACE" in title:
        if all(name.isdecimal() for name in names):  # MediaPipe's mesh, or the part of it that outlines
            return [(point, joint) for point, name in enumerate(names) for joint in _MESH.get(int(name[:6]), ())]
        return [
            (point, FACE.start + int(match[1]))
            for point, name in enumerate(names)
            if (match := _NUMBERED_FACE.fullmatch(name)) and int(match[1]) < FACE_POINTS
        ]
    found = [(point, joint) for point, name in enumerate(names) for joint in _BODY_OF.get(name.lower(), ())]
    if "135" in title:  # OpenPose's one component for all, where a wrist is the root of its hand as well
        roots = {"lwrist": LEFT_HAND.start, "rwrist": RIGHT_HAND.start}
        found += [(point, roots[name.lower()]) for point, name in enumerate(names) if name.lower() in roots]
    return found


_NUMBERED_FACE = re.compile(r"(?:face[-_]|FB_)(\d{1,3})")
_MESH: dict[int, list[int]] = {}
for _number, _landmark in enumerate(FACE_LANDMARKS):
    _MESH.setdefault(_landmark, []).append(FACE.start + _number)
_MEDIAPIPE_HAND = {
    name: i
    for i, name in enumerate(
        ("WRIST", *(f"{finger}_{joint}" for finger, parts in (
            ("THUMB", ("CMC", "MCP", "IP", "TIP")), *((f, ("MCP", "PIP", "DIP", "TIP")) for f in (
                "INDEX_FINGER", "MIDDLE_FINGER", "RING_FINGER", "PINKY"))) for joint in parts))
    )
}  # fmt: skip


def _body_names() -> dict[str, list[int]]:
    """What the tools call points of the body, and of one component for all (OpenPose's BODY_135): -> joints."""
    names = {name: [JOINT[name]] for name in (*BODY_NAMES, *FOOT_NAMES)}
    names |= {f"{side}_foot_index": [JOINT[f"{side}_big_toe"]] for side in ("left", "right")}  # MediaPipe
    for short, side in (("l", "left"), ("r", "right")):  # OpenPose
        parts = ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        names |= {f"{short}{part}": [JOINT[f"{side}_{part}"]] for part in parts}
        names |= {f"{short}{a}": [JOINT[f"{side}_{b}"]] for a, b in
                  (("bigtoe", "big_toe"), ("smalltoe", "small_toe"), ("heel", "heel"))}  # fmt: skip
    hands = {"l": LEFT_HAND, "r": RIGHT_HAND}
    for short, hand in hands.items():
        for finger, called in enumerate(("thumb", "index", "middle", "ring", "pinky")):
            for joint, ending in enumerate(_FINGER_ENDINGS["thumb" if called == "thumb" else ""], start=1):
                names[f"{short}{called}{joint}{ending}"] = [hand.start + 4 * finger + joint]
    face = [
        *(f"facecontour{i}" for i in range(17)), *(f"reyebrow{i}" for i in range(5)),
        *(f"leyebrow{i}" for i in range(4, -1, -1)), *(f"noseupper{i}" for i in range(4)),
        *(f"noselower{i}" for i in range(5)), *(f"reye{i}" for i in range(6)), *(f"leye{i}" for i in range(6)),
        *(f"omouth{i}" for i in range(12)), *(f"imouth{i}" for i in range(8)),
    ]  # fmt: skip
    names |= {name: [FACE.start + i] for i, name in enumerate(face)}
    return names


_FINGER_ENDINGS = {"thumb": ("cmc", "knuckles", "ip", "fingertip"), "": ("knuckles", "pip", "dip", "fingertip")}
_BODY_OF = _body_names()
OPENPOSE_BODY = (
    "Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip", "RKnee",
    "RAnkle", "LHip", "LKnee", "LAnkle", "REye", "LEye", "REar", "LEar", "LBigToe", "LSmallToe", "LHeel", "RBigToe",
    "RSmallToe", "RHeel",
)  # fmt: skip
_OPENPOSE_COCO = (*OPENPOSE_BODY[:8], *OPENPOSE_BODY[9:19])  # before 2019: without hips' middle and feet


def openpose(body: int) -> Layout:
    """OpenPose's body of so many points, 25 or 18, then 70 of the face and 21 of each hand. Raises KeypointsError."""
    bodies = {25: OPENPOSE_BODY, 18: _OPENPOSE_COCO}
    if body not in bodies:
        raise KeypointsError(f"a body of {body} points, expected OpenPose's 25 or 18")
    hand = HAND_NAMES
    face = [f"FB_{i}" for i in range(70)]
    parts = [("pose", bodies[body]), ("face", face), ("hand_left", hand), ("hand_right", hand)]
    return by_names(f"OpenPose, {body + 70 + 2 * HAND_POINTS} points", parts)


def wholebody() -> Layout:
    """COCO-WholeBody itself."""
    return Layout("COCO-WholeBody, 133 points", np.arange(JOINTS), np.arange(JOINTS))


def mediapipe(order: Sequence[str], face: int, name: str) -> Layout:
    """MediaPipe Holistic's parts one after another; order: of "pose", "face", "left" and "right"; face: its points."""
    sizes = {"pose": 33, "face": face, "left": HAND_POINTS, "right": HAND_POINTS}
    points: list[int] = []
    joints: list[int] = []
    start = 0
    for part in order:
        if part == "pose":
            points += [start + landmark for landmark in BODY_LANDMARKS.values()]
            joints += [JOINT[name] for name in BODY_LANDMARKS]
        elif part == "face":
            points += [start + landmark for landmark in FACE_LANDMARKS]
            joints += range(FACE.start, FACE.stop)
        else:
            hand = LEFT_HAND if part == "left" else RIGHT_HAND
            points += range(start, start + HAND_POINTS)
            joints += range(hand.start, hand.stop)
        start += sizes[part]
    return Layout(name, np.array(points), np.array(joints))
