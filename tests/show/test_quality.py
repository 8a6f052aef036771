import numpy as np
import pytest

from seds.config import SampleRules
from seds.data import hands
from seds.show.quality import RESTLESS, Quality, badness, jitter, measure, track_hands
from seds.skeleton import JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

RULES = SampleRules()
SIZE = 256
SHOULDERS = 80  # px


def video(frames: int) -> np.ndarray:
    """float32 [frames,133,3]: a signer at rest, both hands seen, all confidences 0.9."""
    generator = np.random.default_rng(0)
    keypoints = np.full((frames, JOINTS, 3), 0.9, np.float32)
    keypoints[..., :2] = 100
    for name, place in {
        "left_shoulder": (168, 80), "left_elbow": (180, 130), "left_wrist": (170, 160),
        "right_shoulder": (88, 80), "right_elbow": (76, 130), "right_wrist": (86, 160),
    }.items():  # fmt: skip
        keypoints[:, JOINT[name], :2] = place
    keypoints[:, LEFT_HAND, :2] = generator.uniform((165, 170), (185, 190), (21, 2))
    keypoints[:, RIGHT_HAND, :2] = generator.uniform((80, 170), (100, 190), (21, 2))
    return keypoints


def quality(keypoints: np.ndarray, margin: float | None = None) -> Quality:
    return measure(keypoints, track_hands(keypoints, hands.Frame(SIZE, SIZE, margin), RULES), RULES)


def without_arm(keypoints: np.ndarray, side: str, frames: slice) -> None:
    keypoints[frames, JOINT[f"{side}_elbow"], 2] = 0


def test_measure_counts_dropped_guessed_and_blank() -> None:
    keypoints = video(10)
    keypoints[:4, LEFT_HAND, 2] = 0  # 4 left hands not detected: 2 of them are guessed from the arm, 2 are not
    without_arm(keypoints, "left", slice(2, 4))
    keypoints[3, RIGHT_HAND, 2] = 0  # and in one of these there is no right hand either
    without_arm(keypoints, "right", slice(3, 4))
    keypoints[9, RIGHT_HAND.start : RIGHT_HAND.start + 7, 2] = 0.3  # 7 joints that the gate sets to zero
    measures = quality(keypoints)
    crops = 8 + 9
    assert (measures.frames, measures.frames_read) == (10, 10)
    assert measures.dropped == pytest.approx(0.1)
    assert measures.left_visible == pytest.approx(0.8)
    assert measures.right_visible == pytest.approx(0.9)
    assert measures.guessed == pytest.approx(2 / crops)
    assert measures.blank == pytest.approx((2 * 21 + 7) / (21 * crops))
    assert measures.left_confidence == pytest.approx(0.9)
    assert measures.right_confidence == pytest.approx((8 * 0.9 + (14 * 0.9 + 7 * 0.3) / 21) / 9)
    assert measures.body_confidence == pytest.approx(0.9 - 0.9 * 3 / 70)
    assert measures.jitter == 0
    assert measures.badness == pytest.approx((0.1 + 0.15 + measures.blank + 0) / 4)


def test_track_hands_keeps_the_pipelines_frames_and_hands() -> None:
    generator = np.random.default_rng(1)
    keypoints = video(701)
    keypoints[..., 2] = generator.choice([0.0, 0.05, 0.45, 0.9], (701, JOINTS), p=[0.4, 0.2, 0.1, 0.3])
    keypoints[generator.random((701, JOINTS)) < 0.02, 0] = np.nan
    keypoints[:, JOINT["left_wrist"], 1] = generator.uniform(0, SIZE, 701)
    track = track_hands(keypoints, hands.Frame(SIZE, SIZE, 50), RULES)
    kept = hands.retain(keypoints, hands.Frame(SIZE, SIZE, 50), RULES)
    assert 0 < len(kept.frames) < len(track.read) < len(keypoints)
    np.testing.assert_array_equal(track.read[~track.dropped], kept.frames)
    np.testing.assert_array_equal(track.left.visible[kept.frames], kept.left_seen)
    np.testing.assert_array_equal(track.right.visible[kept.frames], kept.right_seen)
    assert track.left.guessed.any()
    assert (track.left.detected ^ track.left.guessed == track.left.visible).all()


def test_steady_motion_has_no_jitter_and_noise_has_its_own() -> None:
    moving = video(400)
    moving[..., 0] += 0.3 * np.arange(400)[:, None]
    assert jitter(moving, RULES) == pytest.approx(0, abs=1e-5)
    deviation = 1.5  # px
    hands_only = np.r_[JOINT["left_wrist"], JOINT["right_wrist"], LEFT_HAND, RIGHT_HAND]
    moving[:, hands_only, :2] += np.random.default_rng(0).normal(0, deviation, (400, len(hands_only), 2))
    # The second difference of noise has sqrt(6) times its deviation; a Rayleigh variable's median is sqrt(2 ln 2).
    expected = deviation * np.sqrt(6) * np.sqrt(2 * np.log(2)) / SHOULDERS
    assert jitter(moving, RULES) == pytest.approx(expected, rel=0.02)


def test_jitter_counts_joints_above_the_gate_in_three_frames() -> None:
    keypoints = video(30)
    keypoints[10, LEFT_HAND, :2] += 50
    keypoints[10, LEFT_HAND, 2] = RULES.gate
    assert jitter(keypoints, RULES) == 0
    keypoints[..., 2] = RULES.gate
    assert np.isnan(jitter(keypoints, RULES))
    assert np.isnan(jitter(video(2), RULES)), "two frames have no second difference"


def test_a_video_without_a_hand_has_badness_1() -> None:
    keypoints = np.zeros((5, JOINTS, 3), np.float32)
    measures = quality(keypoints)
    assert (measures.dropped, measures.left_visible, measures.badness) == (1, 0, 1)
    assert np.isnan([measures.jitter, measures.blank, measures.guessed, measures.left_confidence]).all()


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_joint_that_is_not_finite_is_not_detected(bad: float) -> None:
    keypoints = video(6)
    keypoints[2:4, LEFT_HAND, 0] = bad
    without_arm(keypoints, "left", slice(2, 4))
    measures = quality(keypoints)
    assert measures.left_visible == pytest.approx(4 / 6)
    assert measures.left_confidence == pytest.approx(0.9)


def test_badness_is_the_mean_of_its_shares() -> None:
    assert badness(dropped=0, left_visible=1, right_visible=1, blank=0, jitter=0) == 0
    assert badness(dropped=0.2, left_visible=0.5, right_visible=0.7, blank=0.1, jitter=RESTLESS / 2) == pytest.approx(
        (0.2 + 0.4 + 0.1 + 0.5) / 4
    )
    assert badness(dropped=1, left_visible=0, right_visible=0, blank=1, jitter=9) == 1
