"""params.yaml: what is accepted, and how a mistake is answered."""

from pathlib import Path

import pytest

from seds.config import ConfigError, ModelSizes, load_params

ROOT = Path(__file__).parents[1]


def edited(tmp_path: Path, old: str, new: str) -> Path:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "params.yaml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_repository_s_own_parameters_are_valid() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.train.published.model == ModelSizes()
    assert params.profile("demo") == "small"


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    assert load_params(edited(tmp_path, "lr: null", "lr: 1e-4")).lr == 1e-4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 42", "sede: 42", "unknown key 'sede'; known keys: active, seed"),
        ("warmup: 0.1", "warmup: 1.5", r"train.warmup: .*less than 1, got 1.5"),
        (
            "estimator: mediapipe",
            "estimator: openpose",
            r"pose.small.estimator: .*'mediapipe' or 'mmpose', got 'openpose'",
        ),
        ("active: [demo]", "active: [phoenix]", "active names 'phoenix', which is not among datasets: demo, how2sign"),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(edited(tmp_path, old, new))


def test_a_missing_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run from the top of the repository"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_dataset_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown dataset 'bsl'; params\.yaml describes: demo, how2sign"):
        load_params(ROOT / "params.yaml").profile("bsl")


def test_half_precision_is_for_gpus() -> None:
    rgb = load_params(ROOT / "params.yaml").rgb.published
    assert rgb.on("cuda").precision == "float16"
    assert rgb.on("cpu") == rgb.model_copy(update={"precision": "float32"})
