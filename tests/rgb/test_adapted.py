"""Features that the corpus's own sign encoder has a share in: found, mixed in one pass, and named in the settings."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import shown
from safetensors.torch import save_file

from seds.config import RgbProfile, load_params
from seds.extraction.extractor import Video
from seds.rgb import extractor
from seds.rgb.adapted import find_adapted
from seds.rgb.extractor import extractor_spec, make_extractor
from seds.rgb.i3d import InceptionI3D
from seds.rgb.weights import initialise
from seds.shards import features_are_random, features_come_from
from seds.system.files import file_sha256
from seds.weightfiles import Checkpoint, WeightFileError

T = 16
PROFILE = load_params(shown.ROOT / "params.yaml").rgb.small.model_copy(
    update={"size": 64, "crop": 56, "width": 0.125, "alpha": 0.3}
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """The output of stage adapt, with random weights of another seed than the profile's."""
    folder = tmp_path_factory.mktemp("adapt") / "toy"
    folder.mkdir()
    network = InceptionI3D(PROFILE.width)
    initialise(network, 5)
    save_file(network.state_dict() | {"logits.conv3d.bias": torch.zeros(3)}, folder / "encoder.safetensors")
    (folder / "config.json").write_text(json.dumps({"adapted": True}))
    found = find_adapted(folder)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Video:
    path = tmp_path_factory.mktemp("video") / "v.mp4"
    shown.write_video(path, 23)
    return Video("v", str(path), None, None, 23, float(shown.FPS), shown.WIDTH, shown.HEIGHT, "")


def features(video: Video, profile: RgbProfile, adapted: Checkpoint | None) -> np.ndarray:
    return extractor_spec(profile, T, "cpu", adapted).make()(video).tensors["features"].astype(np.float32)


def test_features_are_mixed_by_alpha(video: Video, encoder: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    given = features(video, PROFILE, None)
    own = features(video, PROFILE.model_copy(update={"seed": 5}), None)
    decoded = []
    real = extractor.frames
    monkeypatch.setattr(extractor, "frames", lambda *place: decoded.append(place) or real(*place))
    mixed = features(video, PROFILE, encoder)
    assert len(decoded) == 1, "both networks see the same frames, decoded once"
    np.testing.assert_allclose(mixed, 0.3 * given + 0.7 * own, rtol=2**-9, atol=1e-3)
    assert not np.allclose(given, own, rtol=0.1)


@pytest.mark.parametrize(("alpha", "seed"), [(1.0, 0), (0.0, 5)])
def test_one_network_alone_gives_its_own_features(video: Video, encoder: Checkpoint, alpha: float, seed: int) -> None:
    profile = PROFILE.model_copy(update={"alpha": alpha})
    made = extractor_spec(profile, T, "cpu", encoder).make()
    assert len(made.recognizers) == 1  # type: ignore[attr-defined]
    alone = make_extractor(PROFILE.model_copy(update={"seed": seed}), T, None, "cpu")(video).tensors["features"]
    np.testing.assert_array_equal(made(video).tensors["features"], alone)


def test_alpha_of_0_needs_no_given_weights(encoder: Checkpoint) -> None:
    missing = PROFILE.model_copy(update={"alpha": 0.0, "weights": "nowhere.pth"})
    assert extractor_spec(missing, T, "cpu", encoder).settings["weights"] == "none, alpha 0"
    with pytest.raises(WeightFileError, match=r"nowhere\.pth not found"):
        extractor_spec(missing.model_copy(update={"alpha": 0.1}), T, "cpu", encoder)


def test_settings_name_the_encoder_only_where_it_has_a_share(encoder: Checkpoint) -> None:
    plain = extractor_spec(PROFILE, T, "cpu").settings
    assert {"adapted", "alpha"}.isdisjoint(plain)
    for alpha in (0.0, 0.5, 1.0):
        assert extractor_spec(PROFILE.model_copy(update={"alpha": alpha}), T, "cpu").settings == plain
    assert extractor_spec(PROFILE.model_copy(update={"alpha": 1.0}), T, "cpu", encoder).settings == plain
    mix = {"adapted": f"sha256 {file_sha256(encoder.path)}", "alpha": "0.3"}
    assert extractor_spec(PROFILE, T, "cpu", encoder).settings == dict(plain) | mix


def test_a_person_is_told_where_features_come_from(encoder: Checkpoint) -> None:
    def told(alpha: float, adapted: Checkpoint | None) -> tuple[str, bool]:
        settings = extractor_spec(PROFILE.model_copy(update={"alpha": alpha}), T, "cpu", adapted).settings
        return features_come_from(settings), features_are_random(settings)

    own = f"the corpus's own sign encoder (sha256 {encoder.sha256})"
    assert told(0.3, None) == told(1.0, encoder) == ("random, seed 0", True)
    assert told(0.0, encoder) == (own, False)
    assert told(0.3, encoder) == (f"0.3 x those of random, seed 0 + 0.7 x those of {own}", False)
    assert features_come_from({}) == "unknown"


def test_folder_that_stage_adapt_did_not_write_is_refused(tmp_path: Path) -> None:
    assert find_adapted(tmp_path / "none") is None
    with pytest.raises(WeightFileError, match=r"config\.json cannot be read.*dvc repro --force adapt@"):
        find_adapted(tmp_path)
    for content in ("{}", "[1]", "{", "null"):
        (tmp_path / "config.json").write_text(content)
        with pytest.raises(WeightFileError, match=r"config\.json cannot be read"):
            find_adapted(tmp_path)
    (tmp_path / "config.json").write_text('{"adapted": false}')
    assert find_adapted(tmp_path) is None
    (tmp_path / "config.json").write_text('{"adapted": true}')
    with pytest.raises(WeightFileError, match=r"encoder\.safetensors not found"):
        find_adapted(tmp_path)


def test_corpus_whose_encoder_is_yet_to_be_trained_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    params = load_params(shown.ROOT / "params.yaml")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightFileError, match=r"data/adapt/demo not found; make it with: dvc repro adapt@demo"):
        extractor.corpus_extractor(params, "demo")
