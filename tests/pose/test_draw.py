import numpy as np
import pytest

from seds.pose.draw import contact_sheet, draw
from seds.pose.skeleton import JOINT, JOINTS


def arm(confidence: float) -> np.ndarray:
    keypoints = np.zeros((JOINTS, 3), np.float32)
    keypoints[JOINT["left_shoulder"]] = (10, 20, 1)
    keypoints[JOINT["left_elbow"]] = (50, 20, confidence)
    return keypoints


def test_a_bone_is_drawn_between_confident_joints_on_a_copy() -> None:
    frame = np.zeros((40, 60, 3), np.uint8)
    image = draw(frame, arm(0.9))
    ys, xs = np.nonzero(image.any(axis=2))
    assert not frame.any()
    assert (ys.mean(), xs.min(), xs.max()) == pytest.approx((20, 10, 50), abs=1)
    assert image[20, 30, 0] > image[20, 30, 2], "the signer's left arm is orange"
    assert not draw(frame, arm(0.9), threshold=0.95).any()


def test_contact_sheet_lays_frames_row_by_row() -> None:
    frames = [np.full((40, 60, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = contact_sheet(frames, np.stack([arm(0.0)] * 3), columns=2)
    assert sheet.shape == (80, 120, 3)
    assert [int(sheet[y, x, 0]) for y, x in ((5, 5), (5, 65), (45, 5), (45, 65))] == [10, 20, 30, 0]
    with pytest.raises(ValueError, match="1 and 3"):
        contact_sheet(frames[:1], np.stack([arm(0.0)] * 3), columns=2)
