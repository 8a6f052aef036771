"""The real detector on a rendered signer, whose joints are known."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from seds.config import MediapipeProfile, load_params
from seds.demo import corpus
from seds.extraction.extractor import Video
from seds.manifest import keypoint_accuracy
from seds.pose.mediapipe_holistic import FACE_LANDMARKS, hand_confidence, make_extractor, settings, to_wholebody
from seds.pose.signer import SignerExtractor
from seds.skeleton import FACE, FOOT_NAMES, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

pytestmark = pytest.mark.slow

PROFILE = MediapipeProfile(estimator="mediapipe", complexity=1)


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> tuple[Video, np.ndarray]:
    """A rendered video and its true joints."""
    render = load_params(Path(__file__).parents[2] / "params.yaml").render
    frames, truth = corpus.render_take(corpus.plan(render)[0], render.fps, render.size)[:2]
    return video(tmp_path_factory.mktemp("signer") / "signer.mp4", frames), truth


def video(path: Path, frames: list[np.ndarray]) -> Video:
    corpus.write_video(path, frames, 12.5)
    height, width = frames[0].shape[:2]
    return Video(path.stem, str(path), None, None, len(frames), 12.5, width, height, "")


@pytest.fixture(scope="module")
def holistic() -> SignerExtractor:
    return make_extractor(PROFILE, "cpu")


@pytest.fixture(scope="module")
def keypoints(holistic: SignerExtractor, signer: tuple[Video, np.ndarray]) -> np.ndarray:
    return holistic(signer[0]).tensors["keypoints"]


def test_joints_are_found_where_they_were_drawn(keypoints: np.ndarray, signer: tuple[Video, np.ndarray]) -> None:
    assert (keypoints.dtype, keypoints.shape) == (np.float32, (signer[0].frames, JOINTS, 3))
    pck = keypoint_accuracy.report([(keypoints, signer[1])])["pck"]
    assert min(pck["wrists"], pck["elbows"], pck["fingers"]) > 0.75  # a swap of sides would leave next to nothing


def test_face_points_lie_as_300w_has_them(keypoints: np.ndarray) -> None:
    x, y = np.median(keypoints[:, FACE, :2], axis=0).T
    right_eye, left_eye = slice(36, 42), slice(42, 48)  # the signer's right is left in the image
    assert np.hypot(x[right_eye].mean() - np.median(keypoints[:, JOINT["right_eye"], 0]), 0) < 8
    assert np.hypot(x[left_eye].mean() - np.median(keypoints[:, JOINT["left_eye"], 0]), 0) < 8
    assert (np.diff(x[:17]) > -2).all(), "the jaw runs from image left to image right"
    assert y[:17].argmax() in (7, 8, 9), "the chin is lowest"
    assert (np.diff(y[27:31]) > 0).all(), "down the nose"
    assert y[17:27].max() < y[36:48].min() < y[30] < y[48:68].min(), "brows, eyes, nose, mouth"
    assert x[48] < x[60] < x[64] < x[54], "corners of outer and inner lips"
    assert y[50] < y[61] <= y[67] < y[58], "upper lip above the lower one"
    assert len(set(FACE_LANDMARKS)) == 68


def test_confidences(keypoints: np.ndarray) -> None:
    assert keypoints[..., 2].min() >= 0
    assert keypoints[..., 2].max() <= 1
    for toe in (name for name in FOOT_NAMES if "small_toe" in name):
        assert not keypoints[:, JOINT[toe]].any()
    assert np.median(keypoints[:, LEFT_HAND, 2]) > 0.8
    assert np.median(keypoints[:, RIGHT_HAND, 2]) > 0.8


def test_a_video_does_not_depend_on_the_one_before(
    holistic: SignerExtractor, keypoints: np.ndarray, signer: tuple[Video, np.ndarray], tmp_path: Path
) -> None:
    nobody = holistic(video(tmp_path / "nobody.mp4", [np.full((256, 256, 3), 90, np.uint8)] * 3))
    assert not nobody.tensors["keypoints"].any()
    assert (nobody.frames, nobody.rows) == (3, 3)
    beginning = replace(signer[0], end_s=0.4)  # five frames
    for other in (holistic, make_extractor(PROFILE, "cpu")):
        assert np.array_equal(other(beginning).tensors["keypoints"], keypoints[:5])


def test_hand_confidence_falls_with_the_distance_from_the_arm() -> None:
    hand = np.stack([np.zeros(21), np.linspace(0, 40, 21)], axis=1)  # 40 px long
    at = [hand_confidence(hand, np.array([d, 0.0]), shoulders=50.0) for d in (0, 8, 20, 40, 80)]
    assert at == pytest.approx(np.exp([0, -0.08, -0.5, -2, -8]))
    assert hand_confidence(hand / 4, np.array([20.0, 0]), shoulders=80.0) == pytest.approx(np.exp(-0.5)), "a fist"


def test_a_box_moves_no_joint(
    holistic: SignerExtractor, keypoints: np.ndarray, signer: tuple[Video, np.ndarray]
) -> None:
    """Keypoints of a crop are px of the whole frame: those of the whole frame, as nearly as the networks find them."""
    inner = holistic(replace(signer[0], bbox=(30.0, 20.0, 230.0, 256.0))).tensors["keypoints"]
    body = [JOINT[name] for name in ("nose", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow")]
    assert np.median(np.abs(inner - keypoints)[:, body, :2]) < 2
    assert keypoint_accuracy.report([(inner, signer[1])])["pck"]["fingers"] > 0.75
    assert np.array_equal(inner[:, JOINT["left_small_toe"]], np.zeros((len(inner), 3)))
    beyond = holistic(replace(signer[0], bbox=(-50.0, -50.0, 300.0, 300.0))).tensors["keypoints"]
    assert np.array_equal(beyond, keypoints), "a box beyond the frame is the frame"


def test_a_joint_outside_the_crop_has_no_confidence() -> None:
    def landmarks(count: int, **point: float) -> SimpleNamespace:
        return SimpleNamespace(landmark=[SimpleNamespace(visibility=0.9, **point) for _ in range(count)])

    found = {"face_landmarks": None, "left_hand_landmarks": None, "right_hand_landmarks": None}
    for x, confidence in ((0.5, 0.9), (1.02, 0), (-0.1, 0)):
        body = SimpleNamespace(pose_landmarks=landmarks(33, x=x, y=0.5), **found)
        for left, top in ((0, 0), (30, 7)):
            keypoints = to_wholebody(body, slice(top, top + 100), slice(left, left + 200))
            assert keypoints[JOINT["left_elbow"]] == pytest.approx([left + 200 * x, top + 50, confidence])


def test_settings_name_versions_and_weights() -> None:
    assert settings(PROFILE)["estimator_version"] == "0.10.21"
    assert len(settings(PROFILE)["weights_sha256"]) == 64
    assert (
        settings(PROFILE)["weights_sha256"] != settings(PROFILE.model_copy(update={"complexity": 0}))["weights_sha256"]
    )
