"""The renderer's own joints as an annotation, in COCO-WholeBody order."""

from __future__ import annotations

import numpy as np

from seds.demo import face
from seds.demo.motion import Figure
from seds.demo.signer import Signer
from seds.skeleton import FACE, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND


def truth(figure: Figure, signer: Signer, size: int) -> np.ndarray:
    """float32 [133,3]: x px, y px, and 1 where the joint lies in the `size` x `size` frame, else 0.

    A joint outside the frame keeps its place; legs and feet, which are not drawn, are (0,0,0). A joint that another
    part covers still counts as drawn.
    """
    joints = np.zeros((JOINTS, 3), np.float32)
    landmarks, ears = face.landmarks(figure, signer), face.ears(figure, signer)
    named = {"nose": landmarks[face.NOSE_BRIDGE][-1]}
    for i, (side, eye) in enumerate((("right", face.RIGHT_EYE), ("left", face.LEFT_EYE))):
        named[f"{side}_eye"] = landmarks[eye].mean(0)
        named[f"{side}_ear"] = ears[i]
        named[f"{side}_shoulder"] = figure.shoulders[i, :2]
        named[f"{side}_elbow"] = figure.elbows[i, :2]
        named[f"{side}_wrist"] = figure.hands[i, 0, :2]
        named[f"{side}_hip"] = figure.hips[i, :2]
    drawn = np.zeros(JOINTS, bool)
    for name, point in named.items():
        joints[JOINT[name], :2] = point
        drawn[JOINT[name]] = True
    for part, points in ((FACE, landmarks), (RIGHT_HAND, figure.hands[0]), (LEFT_HAND, figure.hands[1])):
        joints[part, :2] = points[:, :2]
        drawn[part] = True
    joints[:, 2] = drawn & ((joints[:, :2] >= 0) & (joints[:, :2] <= size - 1)).all(1)
    return joints
