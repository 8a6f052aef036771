import numpy as np
import pytest

from seds.config import SampleRules
from seds.data.hands import Frame
from seds.show.draw import LEFT, RIGHT, draw, draw_box, draw_crops
from seds.show.quality import track_hands
from seds.skeleton import JOINT, JOINTS, LEFT_HAND


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


def test_lines_to_joints_far_outside_the_frame_are_drawn() -> None:
    keypoints = arm(0.9)
    keypoints[JOINT["left_elbow"], 0] = 1e30
    image = draw(np.zeros((40, 60, 3), np.uint8), keypoints)
    assert image[20, 12:].any(axis=1).all()


def test_a_box_is_drawn_at_its_scale_and_dashes_leave_gaps() -> None:
    whole, dashed = np.zeros((2, 100, 200, 3), np.uint8)
    draw_box(whole, (10, 5, 40, 45), (255, 0, 0), scale=2)
    draw_box(dashed, (10, 5, 40, 45), (255, 0, 0), scale=2, dashed=True)
    ys, xs = np.nonzero(whole.any(axis=2))
    assert (xs.min(), xs.max(), ys.min(), ys.max()) == (20, 80, 10, 90)
    assert len(xs) == 2 * (61 + 81) - 4
    assert 0.4 < dashed.any(axis=2).sum() / len(xs) < 0.7
    assert not dashed.any(axis=2)[~whole.any(axis=2)].any()


def test_a_box_beyond_the_frame_shows_its_edge() -> None:
    image = np.zeros((50, 60, 3), np.uint8)
    draw_box(image, (-5, 10, 60, 50), (9, 9, 9))
    assert image[10].any(axis=1).all()
    assert image[49].any(axis=1).all()
    assert image[10:, 59].any(axis=1).all()


def test_a_guessed_crop_is_dashed_and_a_detected_one_solid() -> None:
    keypoints = np.zeros((2, JOINTS, 3), np.float32)
    for name, place in {"left_shoulder": (60, 30), "left_elbow": (70, 60), "left_wrist": (60, 80)}.items():
        keypoints[:, JOINT[name]] = (*place, 0.9)
    keypoints[0, LEFT_HAND] = (60, 80, 0.9)
    keypoints[0, LEFT_HAND.start] = (75, 95, 0.9)
    track = track_hands(keypoints, Frame(200, 200), SampleRules())
    assert track.left.detected.tolist() == [True, False]
    assert track.left.guessed.tolist() == [False, True]
    shares = []
    for frame in range(2):
        image = np.zeros((200, 200, 3), np.uint8)
        draw_crops(image, track, frame)
        assert (image == LEFT).all(axis=2).sum() == image.any(axis=2).sum() > 0
        assert not (image == RIGHT).all(axis=2).any()
        shares.append(image.any(axis=2).sum() / (4 * track.left.boxes[frame, 2]))
    assert shares[0] == pytest.approx(1, abs=0.02)
    assert 0.4 < shares[1] < 0.7
