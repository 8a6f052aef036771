"""Which of several people in a video's keypoints is the signer.

The one that is kept is the one nearest to the signer's box, chosen in each frame by the rule of seds.pose.people: whose
upper body overlaps the box most, or else whose centre is nearest. Without a box it is that of the largest person: the
median over the frames of the largest upper body in each. So a passer-by, or another order of the people in a file, does
not make the keypoints jump.
"""

from __future__ import annotations

import numpy as np

from seds.imports.source import People
from seds.pose.people import nearest
from seds.skeleton import JOINT, JOINTS
from seds.video.boxes import Box

_UPPER_BODY = slice(0, JOINT["right_hip"] + 1)  # head, arms and hips


def choose_signer(people: People, box: Box | None = None) -> tuple[np.ndarray, int]:
    """float32 [T,133,3] of the signer, zeros in frames without anybody, and how many frames show several people.

    people: of each frame, float32 [P,133,3] in px. box: where the signer is said to be.
    """
    if isinstance(people, np.ndarray) and people.shape[1] == 1:
        return people[:, 0], 0
    seen = [[(_box(person), i) for i, person in enumerate(frame) if (person[..., 2] > 0).any()] for frame in people]
    several = sum(len(frame) > 1 for frame in seen)
    if box is None:
        largest = [max((b for b, _ in frame), key=_area) for frame in seen if frame]
        box = tuple(np.median(largest, axis=0).tolist()) if largest else None
    keypoints = np.zeros((len(people), JOINTS, 3), np.float32)
    for t, frame in enumerate(seen):
        if frame:
            boxes = [b for b, _ in frame]
            chosen = nearest(boxes, box) if len(boxes) > 1 and box is not None else boxes[0]
            keypoints[t] = people[t][frame[boxes.index(chosen)][1]]
    return keypoints, several


def _box(person: np.ndarray) -> Box:
    """Around the upper body or, where none of it was found, around all joints that were."""
    for joints in (person[_UPPER_BODY], person):
        found = joints[joints[:, 2] > 0, :2]
        if len(found):
            break
    (left, top), (right, bottom) = found.min(axis=0).tolist(), found.max(axis=0).tolist()
    return left, top, right, bottom


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
