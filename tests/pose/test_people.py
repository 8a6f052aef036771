"""Which of several people is the signer, by geometry and with MediaPipe on two rendered signers in one frame."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers.films import write_uneven

from seds.config import load_params
from seds.demo import corpus
from seds.extraction.extractor import Video
from seds.manifest import keypoint_accuracy
from seds.pose.mediapipe_holistic import Holistic
from seds.pose.people import PersonDetector, nearest, signer_area
from seds.pose.signer import SignerExtractor
from seds.video import frames, probe
from seds.video.boxes import Box

LEFT, RIGHT = (10.0, 20.0, 40.0, 90.0), (60.0, 25.0, 90.0, 95.0)
FRAME = (0.0, 0.0, 100.0, 100.0)


def test_the_nearest_overlaps_most_and_else_is_nearest() -> None:
    assert nearest([LEFT, RIGHT], (30.0, 0.0, 75.0, 100.0)) == RIGHT
    assert nearest([LEFT, RIGHT], (0.0, 0.0, 5.0, 5.0)) == LEFT
    assert nearest([LEFT, RIGHT], (95.0, 0.0, 99.0, 5.0)) == RIGHT
    assert nearest([LEFT, (55.0, 0.0, 99.0, 99.0)], FRAME)[0] == 55, "of the whole frame, the largest"


def test_one_person_keeps_the_view() -> None:
    assert signer_area([], FRAME, FRAME) is None
    assert signer_area([[], [], []], FRAME, FRAME) is None
    assert signer_area([[LEFT], [LEFT], [LEFT]], FRAME, FRAME) is None


def test_the_view_ends_halfway_to_the_neighbour() -> None:
    looks = [[LEFT, RIGHT]] * 3
    assert signer_area(looks, LEFT, FRAME) == (0, 0, 50, 100)
    assert signer_area(looks, RIGHT, FRAME) == (50, 0, 100, 100)
    view = (5.0, 10.0, 70.0, 95.0)
    assert signer_area(looks, LEFT, view) == (5, 10, 50, 95)
    middle = (42.0, 20.0, 58.0, 90.0)
    assert signer_area([[LEFT, middle, RIGHT]], middle, FRAME) == (41, 0, 59, 100)
    above, below = (20.0, 0.0, 40.0, 30.0), (25.0, 50.0, 45.0, 90.0)
    assert signer_area([[above, below]], below, FRAME) == (0, 40, 100, 100)
    assert signer_area([[above, below]], above, FRAME) == (0, 0, 100, 40)


def test_the_view_never_cuts_the_signer() -> None:
    overlapping = (30.0, 20.0, 80.0, 90.0)
    assert signer_area([[LEFT, overlapping]], LEFT, FRAME) == (0, 0, 40, 100)


def test_who_passes_by_does_not_count() -> None:
    passing: list[list[Box]] = [[LEFT, RIGHT], [LEFT], [LEFT], [RIGHT, LEFT]]
    assert signer_area(passing, RIGHT, FRAME) is None
    assert signer_area([*passing, [LEFT, RIGHT]], RIGHT, FRAME) == (50, 0, 100, 100)


# ---- two signers in one frame ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Video, np.ndarray, np.ndarray]:
    """A 512x256 video of two signers side by side, and the true joints of each, in px of that frame."""
    render = load_params(Path(__file__).parents[2] / "params.yaml").render
    takes = corpus.plan(render)
    first = takes[0]
    second = next(take for take in takes if take.signer.name != first.signer.name)
    (left, left_joints, _), (right, right_joints, _) = (corpus.render_take(t, 12.5, 256) for t in (first, second))
    length = 26  # three looks at who is in view
    path = tmp_path_factory.mktemp("pair") / "pair.mp4"
    corpus.write_video(path, [np.hstack([a, b]) for a, b in zip(left, right, strict=False)], 12.5)
    video = Video("pair", str(path), None, None, length, 12.5, 512, 256, "")
    return video, left_joints[:length], right_joints[:length] + np.array([256, 0, 0], np.float32)


@pytest.fixture(scope="module")
def extractor() -> SignerExtractor:
    return SignerExtractor(Holistic(complexity=1))


def test_detector_sees_both_people(pair: tuple[Video, np.ndarray, np.ndarray], extractor: SignerExtractor) -> None:
    image = next(frames(pair[0].path))
    left, right = sorted(PersonDetector()(image))
    assert left[0] < pair[1][0, 0, 0] < left[2], "the nose"
    assert right[0] < pair[2][0, 0, 0] < right[2]
    assert left[2] < 290
    assert right[0] > 222


@pytest.mark.slow
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("box", [(40.0, 30.0, 216.0, 256.0), (0.0, 0.0, 440.0, 256.0)], ids=["close", "wide"])
def test_extractor_keeps_the_person_in_the_box(
    pair: tuple[Video, np.ndarray, np.ndarray], extractor: SignerExtractor, side: int, box: Box
) -> None:
    """Also where both are seen in the box, of whom Holistic by itself would take the same one, whatever the box."""
    video, *truths = pair
    if side == 1:
        box = (512 - box[2], box[1], 512 - box[0], box[3])
    found = extractor(replace(video, bbox=box)).tensors["keypoints"]
    pck = keypoint_accuracy.report([(found, truths[side])])["pck"]
    assert min(pck["wrists"], pck["elbows"], pck["fingers"]) > 0.7
    nose = np.abs(found[:, 0, :2] - truths[side][:, 0, :2]).max()
    assert nose < 20, "px, in every frame: no jump to the other"


@pytest.mark.slow
def test_extractor_without_a_box_keeps_one_and_warns(
    pair: tuple[Video, np.ndarray, np.ndarray], extractor: SignerExtractor, caplog: pytest.LogCaptureFixture
) -> None:
    video, left, right = pair
    with caplog.at_level(logging.WARNING):
        found = extractor(video).tensors["keypoints"]
    assert "pair: several people are in view and the video has no bbox" in caplog.text
    distances = [np.abs(found[:, 0, :2] - truth[:, 0, :2]).max() for truth in (left, right)]
    assert min(distances) < 20 < 150 < max(distances)


@pytest.mark.slow
def test_extractor_keeps_frame_times_of_a_varying_rate(
    pair: tuple[Video, np.ndarray, np.ndarray], extractor: SignerExtractor, tmp_path: Path
) -> None:
    """Also where the video is read twice, for the second person in view."""
    video, *_ = pair
    begins = np.arange(video.frames) / video.fps
    begins[9:] += 2  # the camera paused
    paused = write_uneven(tmp_path / "paused.mp4", list(frames(video.path)), begins)
    extraction = extractor(replace(video, path=str(paused), fps=probe(paused).fps))
    np.testing.assert_allclose(extraction.tensors["frame_times"][:-1], begins, atol=2e-3)
    assert len(extraction.tensors["keypoints"]) == video.frames
    assert list(extractor(video).tensors) == ["keypoints"]


def test_extractor_refuses_a_box_outside_the_frame(
    pair: tuple[Video, np.ndarray, np.ndarray], extractor: SignerExtractor
) -> None:
    with pytest.raises(ValueError, match=r"bbox 512,0,600,100 lies outside the frame, which is 512x256 px"):
        extractor(replace(pair[0], bbox=(512.0, 0.0, 600.0, 100.0)))
