"""The 133 joints of COCO-WholeBody by name, and the groups that the model and the drawings use.

Order as defined by COCO-WholeBody (Jin et al., ECCV 2020): 17 body, 6 feet, 68 face, 21 left hand and 21 right hand
joints.
"""

from __future__ import annotations

BODY_NAMES = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear",
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
FOOT_NAMES = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
FACE_NAMES = tuple(f"face_{i}" for i in range(68))  # the 68 points of 300-W
FINGERS = ("thumb", "index", "middle", "ring", "little")
HAND_NAMES = ("hand_wrist", *(f"{finger}_{i}" for finger in FINGERS for i in (1, 2, 3, 4)))
JOINT_NAMES = (
    BODY_NAMES
    + FOOT_NAMES
    + FACE_NAMES
    + tuple(f"left_{n}" for n in HAND_NAMES)
    + tuple(f"right_{n}" for n in HAND_NAMES)
)
JOINT = {name: i for i, name in enumerate(JOINT_NAMES)}
JOINTS = len(JOINT_NAMES)  # 133

BODY = slice(0, len(BODY_NAMES))
FOOT = slice(BODY.stop, BODY.stop + len(FOOT_NAMES))
FACE = slice(FOOT.stop, FOOT.stop + len(FACE_NAMES))
LEFT_HAND = slice(FACE.stop, FACE.stop + len(HAND_NAMES))  # 91..111
RIGHT_HAND = slice(LEFT_HAND.stop, LEFT_HAND.stop + len(HAND_NAMES))  # 112..132
