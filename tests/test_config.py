"""params.yaml: what is accepted, and how a mistake is answered."""

import re
import shutil
from pathlib import Path

import pytest
import torch
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from seds.config import ConfigError, Dataset, Ideas, ModelSizes, Train, load_params
from seds.model.losses import check_streams
from seds.model.seds import SEDS

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


def test_params_yaml_has_every_value_that_a_stage_reads() -> None:
    """DVC tracks what stands there: a default in the code could change results and repeat nothing."""
    written = YAML(typ="safe").load(ROOT / "params.yaml")
    params = load_params(ROOT / "params.yaml")
    read_by_no_stage = {"machine", "extract", "serve"}
    lacking = [
        name
        for name in flat(params.model_dump(mode="json", exclude=read_by_no_stage | {"datasets"}))
        if name not in flat(written)
    ]
    assert lacking == []


def test_dataset_defaults_are_off() -> None:
    """A user's entry may leave these out, so they stand for nothing that could change."""
    defaults = {name: field.default for name, field in Dataset.model_fields.items() if not field.is_required()}
    assert defaults.pop("profile") == "auto"
    assert {name: default for name, default in defaults.items() if default is not None} == {}


@pytest.mark.parametrize(
    "name",
    [
        "my videos",
        "a.b",
        "it's",
        "a;touch x",
        "2024",
        "1e3",
        "a@b",
        "ü",
        "a/b",
        "..",
        '"',
        "$(x)",
        "true",
        "null",
        "-x",
    ],
)
def test_corpus_name_that_dvc_or_a_shell_misreads_is_refused(tmp_path: Path, name: str) -> None:
    path = edited(tmp_path, "datasets:\n", f"datasets:\n  {name}:\n    corpus: folder\n")
    if name == '"':
        path = edited(tmp_path, "datasets:\n", "datasets:\n  '\"':\n    corpus: folder\n")
    with pytest.raises(ConfigError, match=r"cannot be the name of a corpus; use letters from a to z"):
        load_params(path)


@pytest.mark.parametrize("name", ["mine", "My-Videos_2", "a", "how2sign", "yes"])
def test_corpus_name_of_letters_digits_and_dashes_is_taken(tmp_path: Path, name: str) -> None:
    path = edited(tmp_path, "datasets:\n", f"datasets:\n  {name}:\n    corpus: folder\n")
    assert name in load_params(path).datasets


def test_research_corpora_entries_can_be_uncommented(tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    path = tmp_path / "params.yaml"
    path.write_text(re.sub(r"^#(  +\w+:.*|  +# .*)$", r"\1", text, flags=re.MULTILINE), encoding="utf-8")
    datasets = load_params(path).datasets
    assert list(datasets) == ["demo", "mine", "annotated", "talks", "points", "how2sign", "phoenix14t", "csl_daily"]
    assert datasets["how2sign"].wrist_margin == 50 / 256
    assert datasets["csl_daily"].wrist_margin == 50 / 512


def test_scientific_notation_is_a_number(tmp_path: Path) -> None:
    assert load_params(edited(tmp_path, "lr: null", "lr: 1e-4")).lr == 1e-4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seed: 42", "sede: 42", "unknown key 'sede'; known keys: seed, lr"),
        ("clip_norm: 1.0", "clip_norm: 0", r"train.clip_norm: .*greater than 0, got 0"),
        (
            "estimator: mediapipe",
            "estimator: openpose",
            r"pose.small: .*'openpose' found using 'estimator' .* expected tags: 'mediapipe', 'mmpose'",
        ),
        ("lr: null", "lr: null\nactive: [demo]", "unknown key 'active'; known keys: seed, lr"),
        (
            "    complexity: 1",
            "    compexity: 1",
            "pose.small.mediapipe: .*unknown key 'compexity'; known keys: estimator",
        ),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_params(edited(tmp_path, old, new))


def test_a_missing_file_says_where_to_stand(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run from the top of the repository"):
        load_params(tmp_path / "params.yaml")


def test_an_unknown_dataset_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown dataset 'bsl'; datasets in params\.yaml has: demo"):
        load_params(ROOT / "params.yaml").profile("bsl")


def test_half_precision_is_for_gpus() -> None:
    rgb = load_params(ROOT / "params.yaml").rgb.published
    assert rgb.on("cuda").precision == "float16"
    assert rgb.on("cpu") == rgb.model_copy(update={"precision": "float32"})


# The overrides of params.yaml's list of ablations, and what each changes below train:.
ABLATIONS = {
    "train.small.model.streams=pose": {"small.model.streams": "pose"},
    "train.small.model.streams=rgb": {"small.model.streams": "rgb"},
    "train.small.model.fusion=mlp": {"small.model.fusion": "mlp"},
    "train.losses.match_weight=0": {"losses.match_weight": 0.0},
    "train.swap=0": {"swap": 0.0},
    "train.losses={distill_pose: 0.5, distill_rgb: 0.5}": {"losses.distill_pose": 0.5, "losses.distill_rgb": 0.5},
    "train.published.clip=null": {"published.clip": None},
    "train.published.signbert=data/weights/pretrain_signbert.pth": {
        "published.signbert": "data/weights/pretrain_signbert.pth"
    },
    "train.losses.duplicates=negative": {"losses.duplicates": "negative"},
    "train.stream_weights=equal": {"stream_weights": "equal"},
    "train.small.model.text=use": {"small.model.text": "use"},
    "train.numerics=published": {"numerics": "published"},
}


def flat(values: dict, prefix: str = "") -> dict:
    items = {}
    for name, value in values.items():
        items |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return items


def test_the_ablations_listed_are_those_tested() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    listed = re.findall(r"^#   .*-S (?:'(.+)'|(\S+))$", text, re.MULTILINE)
    assert [quoted or plain for quoted, plain in listed] == list(ABLATIONS)


@pytest.mark.parametrize("profile", ["small", "published"])
@pytest.mark.parametrize("override", ABLATIONS)
def test_an_ablation_is_one_override_that_makes_a_model(tmp_path: Path, override: str, profile: str) -> None:
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    before = flat(load_params(path).train.model_dump())
    apply_overrides(path, [override.replace("small", profile)])  # what dvc exp run -S does
    train = load_params(path).train
    after = flat(train.model_dump())
    expected = {name.replace("small", profile): value for name, value in ABLATIONS[override].items()}
    assert {name: value for name, value in after.items() if value != before[name]} == expected
    with torch.device("meta"):
        model = SEDS(getattr(train, profile).model, train.numerics)
    check_streams(model.streams, train.losses)


def trained_as(tmp_path: Path, *overrides: str) -> Train:
    path = tmp_path / "params.yaml"
    shutil.copy(ROOT / "params.yaml", path)
    apply_overrides(path, list(overrides))
    return load_params(path).train


METHODS = {  # what each sets; docs/methods.md
    "seds": {},
    "cico": {},
    "upret": {"transport_weight": 1.0},
    "c2rl": {"caption_weight": 1.0, "label_smoothing": 0.2},
    "cslr2": {"hard_negatives": 1.0, "sign_weight": 0.0083},
    "san": {"substitutes_weight": 0.4},
}


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_one_override_that_sets_its_ideas_and_streams(tmp_path: Path, method: str) -> None:
    train = trained_as(tmp_path, f"train.method={method}")
    assert train.method == method
    assert train.ideas == Ideas(**METHODS[method])
    streams, weights = ("both" if method == "seds" else "rgb"), ("learned" if method == "upret" else "mean")
    for profile in (train.small, train.published):
        assert (profile.model.streams, profile.model.token_weights) == (streams, weights)


def test_what_a_parameter_says_goes_before_the_method(tmp_path: Path) -> None:
    train = trained_as(
        tmp_path, "train.method=upret", "train.ideas.transport_weight=0", "train.small.model.streams=both"
    )
    assert train.ideas == Ideas()
    assert (train.small.model.streams, train.small.model.token_weights) == ("both", "learned")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("train.method=clip4clip", "'clip4clip' is none of methods: seds, cico, upret, c2rl, cslr2, san"),
        ("+train.methods.seds.fusion=mlp", "unknown key 'fusion'; a method may set label_smoothing"),
        ("train.ideas.label_smoothing=1", "less than 1, got 1"),
        ("+train.ideas.sign_wait=1", "unknown key 'sign_wait'"),
    ],
)
def test_a_method_or_idea_that_is_unknown_is_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        trained_as(tmp_path, override)


def test_a_corpus_of_keypoints_has_no_method_of_rgb_alone(tmp_path: Path) -> None:
    path = edited(tmp_path, "datasets:\n", "datasets:\n  points: {corpus: keypoints, streams: pose, profile: small}\n")
    assert load_params(path).training("points").model.streams == "pose"
    apply_overrides(path, ["train.method=cico"])
    with pytest.raises(ConfigError, match="points has keypoints alone"):
        load_params(path).training("points")
