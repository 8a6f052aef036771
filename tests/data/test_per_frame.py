"""Loading against the procedure of SPEC 3-5 frame by frame, bit for bit: on recorded keypoints and on random ones."""

from pathlib import Path

import numpy as np
import pytest
from helpers import per_frame

from seds.config import SampleRules
from seds.data import samples
from seds.data.hands import LEFT, RIGHT
from seds.skeleton import BODY

GOLDEN = Path(__file__).parents[1] / "golden"
RULES = SampleRules()
RECORDINGS = {"keypoints_ph": None, "keypoints_h2s_wide": 50.0}  # and their wrist margin, px


def assert_equal(keypoints: np.ndarray, width: int, height: int, rules: SampleRules, margin_px: float | None) -> int:
    """Number of frames kept."""
    rgb_starts = np.arange(0, max(1, len(keypoints) - 15), 3)
    share = None if margin_px is None else margin_px / height
    rules = rules.model_copy(update={"wrist_margin": share})
    found = samples.make_sample(keypoints, width, height, rgb_starts, rules.window, rules)
    expected = per_frame.sample(keypoints, width, height, rules, margin_px)
    for name, array in expected.items():
        if len(expected["raw_frames"]) or name in ("raw_frames", "starts"):
            np.testing.assert_array_equal(getattr(found, name), array, err_msg=name)
            assert getattr(found, name).dtype == array.dtype, name
    nearest = per_frame.nearest_window(found.raw_frames, found.starts, rgb_starts, rules)
    np.testing.assert_array_equal(found.nearest, nearest)
    return len(found.raw_frames)


@pytest.mark.parametrize("name", RECORDINGS)
def test_recorded_keypoints(name: str) -> None:
    with np.load(GOLDEN / f"{name}.npz") as file:
        recorded = {key: file[key] for key in file.files}
    width, height = recorded["image_size_wh"].tolist()
    kept = [
        assert_equal(recorded[f"{case}/keypoints"], width, height, RULES, RECORDINGS[name])
        for case in map(str, recorded["cases"])
    ]
    assert len(kept) == 30
    assert 0 in kept


def film(frames: int, generator: np.random.Generator) -> np.ndarray:
    """A signer of whom every frame shows both hands, one, or none, well or badly, inside the frame or at its edge."""
    keypoints = np.empty((frames, 133, 3), np.float32)
    keypoints[:, :, :2] = generator.uniform(-20, 280, (frames, 1, 2)) + generator.normal(0, 15, (frames, 133, 2))
    keypoints[:, :, :2] = np.round(2 * keypoints[:, :, :2]) / 2  # so that halves are rounded
    keypoints[:, :, 2] = generator.choice([0.0, 0.1, 0.11, 0.4, 0.41, 0.9], (frames, 133))
    for hand in (LEFT, RIGHT):
        keypoints[generator.random(frames) < 0.4, hand.joints, 2] = 0.05
        flat = generator.random(frames) < 0.05
        keypoints[flat, hand.joints] = [100.5, 90.5, 0.9]  # all joints in one place
    keypoints[:, BODY, 2] = generator.choice([0.49, 0.5, 0.9, 0.9], (frames, len(range(133)[BODY])))
    return keypoints


@pytest.mark.parametrize("margin_px", [None, 30.0])
@pytest.mark.parametrize("frames", [1, 2, 7, 15, 16, 17, 64, 79, 80, 81, 115, 300, 301, 475, 601, 1427])
def test_random_keypoints(frames: int, margin_px: float | None) -> None:
    for seed, (width, height) in enumerate([(256, 256), (210, 260), (320, 180)]):
        assert_equal(film(frames, np.random.default_rng(seed + 10 * frames)), width, height, RULES, margin_px)


def test_other_rules() -> None:
    rules = SampleRules(window=8, max_windows=20, max_frames=100, visible=0.3, visible_joints=6, arm=0.6, gate=0.2)
    for seed in range(5):
        assert assert_equal(film(230, np.random.default_rng(seed)), 256, 256, rules, 10.0) > 50
