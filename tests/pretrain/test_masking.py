"""What is hidden: how much, where, and that the rest stays."""

import numpy as np
import pytest

from seds.config import PretrainProfile, load_params
from seds.pretrain.batches import Keypoints, confidences_of, make_batch, starts_of
from seds.pretrain.masking import hide
from seds.skeleton import JOINTS, LEFT_HAND
from seds.system.code_version import ROOT

PROFILE = load_params(ROOT / "params.yaml").pretrain.small
FRAMES = 200


def hand() -> np.ndarray:
    return np.random.default_rng(0).uniform(20, 230, (FRAMES, 21, 2)).astype(np.float32)


def hidden(seed: int, there: np.ndarray | None = None, **changes: object) -> tuple[np.ndarray, np.ndarray]:
    profile = PROFILE.model_copy(update=changes)
    return hide(hand(), np.ones(FRAMES, bool) if there is None else there, profile, np.random.default_rng(seed))


def test_frames_that_are_not_chosen_stay_as_they_are() -> None:
    changed, restored = hidden(1)
    np.testing.assert_array_equal(changed[~restored], hand()[~restored])
    # 60 of 200 frames are chosen; a quarter of them begins a run, of 5 frames on average.
    assert 60 <= restored.sum() < 60 + 60 * 7


def test_chosen_frames_lose_joints_themselves_or_nothing() -> None:
    found = [hidden(seed, run=2) for seed in range(5)]
    changed, restored = (np.concatenate(each) for each in zip(*found, strict=True))
    joints = (changed != np.concatenate([hand()] * 5)).any(axis=2).sum(axis=1)[restored]  # [chosen], that differ
    assert set(joints) >= {0, 1, PROFILE.joints, 21}
    assert not ((joints > PROFILE.joints) & (joints < 21)).any()


def test_joints_are_moved_within_reach_or_put_to_zero() -> None:
    changed, _ = hidden(2)
    moved = (changed != hand()).any(axis=2) & changed.any(axis=2)
    assert moved.any()
    assert np.abs(changed - hand())[moved].max() <= 256 * PROFILE.shift


def test_only_what_is_there_is_restored() -> None:
    there = np.arange(FRAMES) % 4 == 0
    _, restored = hidden(3, there)
    assert restored.sum() >= np.ceil(PROFILE.share * there.sum())
    assert not restored[~there].any()
    changed, restored = hidden(3, np.zeros(FRAMES, bool))
    assert not restored.any()
    np.testing.assert_array_equal(changed, hand())


@pytest.mark.parametrize("frames", [16, 17, 31, 32, 33, 100])
def test_windows_cover_every_frame(frames: int) -> None:
    for seed in range(20):
        starts = starts_of(frames, 16, np.random.default_rng(seed))
        covered = np.unique(starts[:, None] + np.arange(16))
        np.testing.assert_array_equal(covered, np.arange(frames))


def video(frames: int, confidence: float = 1.0) -> Keypoints:
    joints = {"left": hand()[:frames], "right": np.zeros((frames, 21, 2), np.float32), "body": hand()[:frames, :7]}
    confidences = {part: np.full(array.shape[:2], confidence, np.float32) for part, array in joints.items()}
    return Keypoints(joints, confidences)


def batch_of(*videos: Keypoints, profile: PretrainProfile = PROFILE):
    return make_batch(videos, 16, profile, np.random.default_rng(0))


def test_batch_puts_videos_end_to_end_and_repeats_last_frames() -> None:
    batch = batch_of(video(40), video(5))
    assert batch.lengths.tolist() == [40, 16]
    np.testing.assert_array_equal(batch.joints["left"][40:45], hand()[:5])
    np.testing.assert_array_equal(batch.joints["left"][44:], np.repeat(hand()[4:5], 12, axis=0))
    of_video = batch.windows >= 40
    assert (of_video.all(dim=1) | ~of_video.any(dim=1)).all(), "no window lies in two videos"


def test_joints_count_by_their_confidence_and_none_that_is_not_there() -> None:
    for confidence, weight in ((0.5, 1.0), (0.9, 1.0), (0.25, 0.25)):
        weights = batch_of(video(100, confidence)).weights
        assert set(weights["left"].unique().tolist()) == {0.0, weight}
        assert not weights["right"].any(), "a hand that is not seen"


def test_confidence_of_a_joint_that_is_not_finite_is_zero() -> None:
    keypoints = np.full((4, JOINTS, 3), 0.75, np.float32)
    keypoints[2, LEFT_HAND.start, 0] = np.nan
    found = confidences_of(keypoints, np.array([1, 2]))
    assert {part: array.shape for part, array in found.items()} == {"left": (2, 21), "right": (2, 21), "body": (2, 7)}
    assert found["left"][1, 0] == 0
    assert (found["left"][0] == 0.75).all()
