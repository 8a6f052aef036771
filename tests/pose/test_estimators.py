"""The estimators by name: what they are called, what they record, what travels to the workers."""

import hashlib
import pickle
from pathlib import Path

import pytest

from seds.pose.estimators import estimator
from seds.pose.mmpose_weights import WeightsError

CONFIG = "rtmpose-m_8xb64-270e_coco-wholebody-256x192"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file for its sha256 alone; a worker would refuse it."""
    path = tmp_path / "w.pth"
    path.write_bytes(b"weights")
    return path


def test_settings_say_which_network_weights_and_precision(weights: Path) -> None:
    settings = estimator("mmpose", config=CONFIG, weights=str(weights)).settings
    assert settings["config"] == CONFIG
    assert settings["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert (settings["precision"], settings["compiled"]) == ("float32", "false")
    half = estimator("mmpose", config=CONFIG, weights=str(weights), precision="float16", compile=True).settings
    assert (half["precision"], half["compiled"]) == ("float16", "true")
    assert estimator("mediapipe").settings["estimator"] == "mediapipe-holistic"


def test_builds_travel_to_workers(weights: Path) -> None:
    for chosen in (estimator("mediapipe"), estimator("mmpose", config=CONFIG, weights=str(weights))):
        assert pickle.loads(pickle.dumps(chosen.build)).args == chosen.build.args


def test_the_sha256_is_compared_whatever_its_case(weights: Path) -> None:
    sha256 = estimator("mmpose", config=CONFIG, weights=str(weights)).settings["weights_sha256"]
    estimator("mmpose", config=CONFIG, weights=str(weights), weights_sha256=sha256.upper())
    with pytest.raises(WeightsError, match="expected 00"):
        estimator("mmpose", config=CONFIG, weights=str(weights), weights_sha256="00" * 32)


def test_unknown_names_list_the_known(weights: Path) -> None:
    with pytest.raises(ValueError, match="'openpose'; known: mediapipe, mmpose"):
        estimator("openpose")
    with pytest.raises(ValueError, match="needs a config"):
        estimator("mmpose", weights=str(weights))
    with pytest.raises(WeightsError, match=r"'rtmpose-z'; mmpose has:\n(.*\n)*  rtmw-l_8xb320-270e_cocktail14-384x288"):
        estimator("mmpose", config="rtmpose-z", weights=str(weights))
