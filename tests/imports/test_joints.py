"""Which points of the tools are joints of COCO-WholeBody, by the names that pose-format gives them."""

import pytest
from pose_format.utils import alphapose, cocowholebody133_header, openpose_135

from seds.imports.joints import by_names
from seds.skeleton import JOINT, JOINT_NAMES

HAND = alphapose.GENERAL_HAND_POINTS
OPENPOSE = openpose_135.BODY_135_POINTS
TOOLS = {
    "OpenPose": [("BODY_135", OPENPOSE)],
    "AlphaPose": [("BODY_136", alphapose.BODY_POINTS), ("FACE_136", alphapose.FACE_POINTS),
                  ("LEFT_HAND_136", HAND), ("RIGHT_HAND_136", HAND)],
    "mmpose": [("BODY", cocowholebody133_header.BODY_POINTS), ("FACE", cocowholebody133_header.FACE_POINTS),
               ("LEFT_HAND", cocowholebody133_header.HAND_POINTS),
               ("RIGHT_HAND", cocowholebody133_header.HAND_POINTS)],
}  # fmt: skip


@pytest.mark.parametrize("tool", TOOLS)
def test_every_joint_of_the_tool_is_found(tool):
    layout = by_names(tool, TOOLS[tool])
    assert sorted(layout.joints.tolist()) == list(range(len(JOINT_NAMES)))


@pytest.mark.parametrize(
    ("joint", "point"),
    [("nose", "Nose"), ("left_wrist", "LWrist"), ("left_hand_wrist", "LWrist"), ("right_big_toe", "RBigToe"),
     ("left_thumb_4", "LThumb4FingerTip"), ("right_little_1", "RPinky1Knuckles"), ("face_0", "FaceContour0"),
     ("face_17", "REyeBrow0"), ("face_22", "LEyeBrow4"), ("face_30", "NoseUpper3"), ("face_66", "IMouth6")],
)  # fmt: skip
def test_points_of_openpose_135_are_the_joints_of_their_names(joint, point):
    layout = by_names("OpenPose", TOOLS["OpenPose"])
    (place,) = layout.points[layout.joints == JOINT[joint]]
    assert OPENPOSE[place] == point


def test_points_in_metres_are_no_joints():
    parts = [
        ("POSE_LANDMARKS", ["NOSE"]),
        ("LEFT_HAND_LANDMARKS", HAND),
        ("POSE_WORLD_LANDMARKS", ["NOSE", "LEFT_WRIST"]),
    ]
    assert sorted(by_names("holistic", parts).points.tolist()) == list(range(22))
