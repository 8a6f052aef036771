"""Stage pretrain on a toy corpus: what it learns from, what it writes, and what train makes of it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from helpers.corpus import SIZES
from helpers.logs import logged
from helpers.projects import write_project
from ruamel.yaml import YAML
from safetensors.torch import load_file
from typer.testing import CliRunner

from seds import tables
from seds.cli import app
from seds.config import ConfigError
from seds.model.initialisation import initialise
from seds.model.published import load_signbert
from seds.model.seds import SEDS
from seds.pretrain.pretraining import learnable
from seds.training.pretrained import PretrainedError, find_pretrained
from stages import pretrain, train

OUTPUT = Path("data/pretrain/toy")
MASKED = {"method": "masked"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a corpus whose parameters ask for pretraining, from which stages run."""
    write_project(tmp_path / "project", minutes=10, pretrain=MASKED)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def set_params(**changes: object) -> None:
    """Values of params.yaml by `section__profile__key`."""
    params = YAML(typ="safe").load(Path("params.yaml"))
    for place, value in changes.items():
        *folders, name = place.split("__")
        section = params
        for folder in folders:
            section = section[folder]
        section[name] = value
    YAML(typ="safe").dump(params, Path("params.yaml"))


def edit_manifest(**rows: dict[str, object]) -> None:
    """Values of columns by video_id, "_" for "-"."""
    path = Path("data/manifest/toy.parquet")
    table = tables.read(path, tables.MANIFEST, "")
    for video, values in rows.items():
        table.loc[table["video_id"] == video.replace("_", "-"), list(values)] = list(values.values())
    tables.write(table, tables.MANIFEST, path)


def config() -> dict:
    return json.loads((OUTPUT / "config.json").read_text())


def files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(OUTPUT.iterdir())}


def test_rows_without_text_or_features_are_learnt_from(project: Path) -> None:
    edit_manifest(
        train_cat_0={"text": "", "usable": False, "reason": "no text"},
        train_dog_0={"rgb_shard": "", "usable": False, "reason": "rgb failed"},
        train_house_0={"retained": 0, "usable": False, "reason": "no hand seen"},
        train_tree_0={"pose_shard": "", "usable": False, "reason": "pose failed"},
    )
    assert sorted(learnable("toy", "train")["video_id"]) == [
        f"train-{word}-0" for word in ("bread", "cat", "cloud", "dog", "river", "stone")
    ]
    pretrain.main("toy")
    assert config()["videos"] == {"train": 6, "without_text": 1, "dev": 8}


@pytest.mark.slow
def test_hidden_joints_are_restored_better_than_by_the_mean_pose(project: Path) -> None:
    sizes = SIZES.model_copy(update={"gcn_out": 32, "gcn_dropout": 0.0, "gcn_out_dropout": 0.0})
    set_params(train__small__model=sizes.model_dump())
    for name, value in {"epochs": 60, "lr": 5e-3, "decoder": 64, "batch": 8}.items():
        set_params(**{f"pretrain__small__{name}": value})
    pretrain.main("toy")
    found = config()
    assert found["dev"]["hands"] < 0.8 * found["mean_pose"]["hands"]  # 0.60 with seed 0
    rows = [row for row in json.loads((OUTPUT / "curves.json").read_text()) if row["panel"] == "loss on dev: hands"]
    assert [row["epoch"] for row in rows] == list(range(1, 61))
    assert rows[-1]["value"] == found["dev"]["hands"]


def test_equal_keypoints_give_equal_bytes_whatever_the_text(project: Path) -> None:
    pretrain.main("toy")
    first = files()
    assert list(first) == ["README.md", "config.json", "curves.json", "encoder.safetensors"]
    shutil.rmtree("work")
    pretrain.main("toy")
    assert files() == first
    edit_manifest(train_cat_0={"text": "another"})
    with logged() as messages:
        pretrain.main("toy")
    assert "pretrain: the same was learnt before" in "\n".join(messages)
    assert files() == first
    set_params(pretrain__small__seed=1)
    pretrain.main("toy")
    assert files()["encoder.safetensors"] != first["encoder.safetensors"]


def test_dev_and_test_are_not_learnt_from(project: Path) -> None:
    pretrain.main("toy")
    first = load_file(OUTPUT / "encoder.safetensors")
    edit_manifest(dev_cat_0={"retained": 0}, test_cat_0={"retained": 0})
    pretrain.main("toy")
    assert config()["videos"]["dev"] == 7
    torch.testing.assert_close(load_file(OUTPUT / "encoder.safetensors"), first, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"pretrain__small__method": "none"}, "params.yaml says so (method: none, in the section pretrain)"),
        (
            {"train__small__model": {**SIZES.model_dump(), "streams": "rgb"}},
            "its model has no pose encoder (train.<profile>.model.streams: rgb)",
        ),
    ],
)
def test_corpus_without_pretraining_says_why(project: Path, changes: dict[str, object], why: str) -> None:
    set_params(**changes)
    pretrain.main("toy")
    assert config() == {"pretrained": False, "why": why}
    assert list(files()) == ["README.md", "config.json"]
    assert why in (OUTPUT / "README.md").read_text()
    assert find_pretrained("toy") is None


def test_corpus_without_a_visible_hand_says_so(project: Path) -> None:
    path = Path("data/manifest/toy.parquet")
    tables.write(tables.read(path, tables.MANIFEST, "").assign(retained=0), tables.MANIFEST, path)
    pretrain.main("toy")
    assert config()["why"] == "no video of its training split has a frame in which a hand is seen"


def started() -> SEDS:
    model = SEDS(SIZES)
    initialise(model, torch.Generator().manual_seed(0))
    return model


@pytest.mark.slow
def test_training_starts_from_the_pretrained_encoder(project: Path) -> None:
    """With a rate of almost nothing the weights stay; batch statistics do not."""
    pretrain.main("toy")
    set_params(lr=1e-12, train__small__epochs=1)
    train.main("toy")
    trained = load_file("models/toy/seds.safetensors")
    expected = started()
    load_signbert(expected, OUTPUT / "encoder.safetensors")
    for name, tensor in expected.pose_encoder.named_parameters():
        torch.testing.assert_close(trained[f"pose_encoder.{name}"], tensor.detach(), rtol=0, atol=1e-6)
    assert "pose encoder: pretrained on the keypoints of 8 videos" in Path("models/toy/README.md").read_text()
    record = json.loads(Path("models/toy/config.json").read_text())["provenance"]["pretrained"]
    assert record["videos"] == config()["videos"]


def test_two_encoders_to_start_from_are_refused(project: Path) -> None:
    pretrain.main("toy")
    set_params(train__small__signbert="other.pth")
    with pytest.raises(ConfigError, match=r"two: other\.pth .* and data/pretrain/toy/encoder\.safetensors"):
        train.main("toy")


def test_folder_that_the_stage_did_not_write_is_refused(project: Path) -> None:
    OUTPUT.mkdir(parents=True)
    with pytest.raises(PretrainedError, match=r"config\.json cannot be read .* dvc repro --force pretrain@toy"):
        find_pretrained("toy")
    (OUTPUT / "config.json").write_text('{"pretrained": true}')
    with pytest.raises(PretrainedError, match=r"encoder\.safetensors not found; run"):
        find_pretrained("toy")


def test_exported_encoder_is_read_as_a_released_one(project: Path) -> None:
    runner = CliRunner()
    missing = runner.invoke(app, ["export", "signbert", "toy", "--output", "pretrain_signbert.pth"])
    assert missing.exit_code == 1
    assert "set pretrain.<profile>.method to masked" in missing.output
    pretrain.main("toy")
    assert runner.invoke(app, ["export", "signbert", "toy", "--output", "pretrain_signbert.pth"]).exit_code == 0
    state = torch.load("pretrain_signbert.pth", weights_only=True)["state_dict"]
    assert {name.split(".")[0] for name in state} == {"embed", "GCN_Conv"}
    assert {name.split(".")[1] for name in state if name.startswith("embed")} == {"st_gcn_hand", "st_gcn_body"}
    assert state["embed.st_gcn_hand.conv4.0.weight"].dim() == 4, "1x1 convolutions"
    assert state["embed.st_gcn_body.A"].shape == (4, 7, 7)
    ours, theirs = started(), started()
    load_signbert(ours, OUTPUT / "encoder.safetensors")
    line = load_signbert(theirs, Path("pretrain_signbert.pth"))
    assert "not in the file" not in line
    torch.testing.assert_close(theirs.state_dict(), ours.state_dict(), rtol=0, atol=0)
    assert not torch.equal(ours.pose_encoder.hand.out.weight, started().pose_encoder.hand.out.weight)
