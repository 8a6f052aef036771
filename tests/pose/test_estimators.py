"""The estimators by profile: what they record, what is sent to the workers, what is refused."""

import hashlib
import pickle
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from seds import weightfiles
from seds.config import ConfigError, MediapipeProfile, MmposeProfile, Pose, load_params
from seds.engine.attempt import make_attempt
from seds.pose import estimators
from seds.pose.estimators import extractor_spec
from seds.system.code_version import code_version
from seds.weightfiles import WeightFileError

CONFIG = "rtmpose-m_8xb64-270e_coco-wholebody-256x192"
MEDIAPIPE = MediapipeProfile(estimator="mediapipe", complexity=1)


@pytest.fixture
def mmpose(tmp_path: Path) -> MmposeProfile:
    """A profile whose checkpoint is good for its sha256 alone; a worker would refuse it."""
    (tmp_path / "w.pth").write_bytes(b"weights")
    return MmposeProfile(
        estimator="mmpose",
        config=CONFIG,
        weights=str(tmp_path / "w.pth"),
        weights_sha256=None,
        precision="float16",
        compile=True,
    )


def changed(profile: MmposeProfile, **changes: Any) -> MmposeProfile:
    return profile.model_copy(update=changes)


def test_settings_name_network_weights_and_precision(mmpose: MmposeProfile) -> None:
    settings = extractor_spec(mmpose, "cuda").settings
    assert settings["config"] == CONFIG
    assert settings["weights_sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert (settings["precision"], settings["compiled"]) == ("float16", "true")
    plain = extractor_spec(changed(mmpose, precision="float32", compile=False), "cuda").settings
    assert (plain["precision"], plain["compiled"]) == ("float32", "false")
    assert extractor_spec(mmpose, "cpu").settings["precision"] == "float32", "half precision is for GPUs"
    assert extractor_spec(MEDIAPIPE, "cpu").settings["estimator"] == "mediapipe-holistic"


def test_extractor_spec_can_be_sent_to_a_worker(mmpose: MmposeProfile) -> None:
    for profile in (MEDIAPIPE, mmpose):
        spec = extractor_spec(profile, "cpu")
        sent = pickle.loads(pickle.dumps(spec))
        assert (sent.settings, sent.make_extractor.args) == (spec.settings, spec.make_extractor.args)


def test_checkpoint_is_hashed_once_for_a_corpus(mmpose: MmposeProfile, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(Path(__file__).parents[2] / "params.yaml")
    params = params.model_copy(update={"pose": params.pose.model_copy(update={"small": mmpose})})
    hashed = []
    monkeypatch.setattr(weightfiles, "file_sha256", lambda path: hashed.append(path) or "ab" * 32)
    spec = estimators.corpus_extractor(params, "demo")
    code_version(spec.make_extractor)  # for the key of the parts
    for device in ("cuda:0", "cuda:1"):  # for the workers
        pickle.dumps(partial(make_attempt, spec.make_extractor, device))
    assert hashed == [Path(mmpose.weights or "")]
    assert spec.settings["weights_sha256"] == "ab" * 32


def test_sha256_is_compared_whatever_its_case(mmpose: MmposeProfile) -> None:
    sha256 = extractor_spec(mmpose, "cpu").settings["weights_sha256"]
    extractor_spec(changed(mmpose, weights_sha256=sha256.upper()), "cpu")
    with pytest.raises(WeightFileError, match=f"expected sha256 {'00' * 32}, found {sha256}"):
        extractor_spec(changed(mmpose, weights_sha256="00" * 32), "cpu")


def test_profile_with_an_unknown_name_lists_the_known(mmpose: MmposeProfile) -> None:
    def read(**values: Any) -> Pose:
        return Pose.model_validate({"shard_videos": 1, "small": values, "published": MEDIAPIPE.model_dump()})

    with pytest.raises(ValidationError, match=r"'openpose'.*expected tags: 'mediapipe', 'mmpose'"):
        read(estimator="openpose")
    with pytest.raises(ValidationError, match=r"small.mmpose.config\n  Field required"):
        read(**mmpose.model_dump(exclude={"config"}))
    with pytest.raises(ConfigError, match=r"'rtmpose-z'; mmpose has:\n(.*\n)*  rtmw-l_8xb320-270e_cocktail14-384x288"):
        extractor_spec(changed(mmpose, config="rtmpose-z"), "cpu")
