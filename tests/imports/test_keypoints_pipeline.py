"""A corpus of keypoints alone through every stage, then searched, checked, shown."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.corpus import SIZES, WORDS, keypoints
from helpers.keypoint_files import pose_bytes
from ruamel.yaml import YAML
from typer.testing import CliRunner

from seds import tables
from seds.cli import app
from seds.config import ConfigError, Dataset, load_params
from seds.imports.command import ENTRY
from seds.search.gallery import Gallery
from seds.shards import ShardReader
from seds.skeleton import BODY_NAMES, FOOT_NAMES

ROOT = Path(__file__).parents[2]
WHOLEBODY = (
    ("BODY", [*BODY_NAMES, *FOOT_NAMES], "XYC"), ("FACE", [f"face-{i}" for i in range(68)], "XYC"),
    ("LEFT_HAND", [f"hand_{i}" for i in range(21)], "XYC"), ("RIGHT_HAND", [f"hand_{i}" for i in range(21)], "XYC"),
)  # fmt: skip


def write_project(root: Path) -> None:
    """Three takes of eight words as .pose files with a table, imported as corpus `mine`, and params.yaml."""
    generator = np.random.default_rng(0)
    folder, rows = root / "from", []
    folder.mkdir()
    for split in tables.SPLITS:
        for number, word in enumerate(WORDS):
            data = keypoints(number, 24, generator)[:, None]
            (folder / f"{split}-{word}.pose").write_bytes(pose_bytes(0.2, data, WHOLEBODY, size=(256, 256)))
            rows.append(
                {"path": f"{split}-{word}", "text": f"a {word}", "sentence_id": f"{split} {word}", "split": split}
            )
    rows.append({"path": "gone", "text": "A lost one.", "sentence_id": "gone", "split": "train"})
    pd.DataFrame(rows).to_csv(folder / "videos.csv", index=False)
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["machine"] |= {"device": "cpu"}
    params["datasets"] = {"mine": ENTRY | {"profile": "small"}}
    params["train"]["small"] |= {"epochs": 2, "batch": 4, "model": SIZES.model_dump()}
    YAML(typ="safe").dump(params, root / "params.yaml")


@pytest.mark.slow
def test_keypoints_alone_go_through_every_stage(tmp_path, monkeypatch):
    from stages import adapt, evaluate, index, manifest, pose, prepare, report, rgb, train

    write_project(tmp_path)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["import", "keypoints", "mine", "--from", "from"])
    assert result.exit_code == 0, result.output
    assert "missing: 1" in result.output
    for stage in (prepare, pose, adapt, rgb, manifest, train, evaluate, report, index):
        stage.main("mine")
    assert ShardReader("data/rgb/mine", "rgb").index.empty
    table = tables.read("data/manifest/mine.parquet", tables.MANIFEST, "")
    assert table["reason"].value_counts().to_dict() == {"": 3 * len(WORDS), "missing": 1}
    headline = json.loads(Path("metrics/mine/headline.json").read_text())
    assert not {"fusion", "rgb", "late"} & set(headline)
    gallery = Gallery.open("mine")
    assert gallery.streams == ("pose",)
    assert len(gallery.search_text("a cat", 3)) == 3
    for arguments in (["show", "mine"], ["show", "mine", "test-cat"], ["check", "mine"]):
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == (arguments[0] == "check"), result.output  # a video is missing
    assert "no file of keypoints is called" in result.output


def test_pose_alone_is_for_a_corpus_without_videos():
    assert Dataset(corpus="keypoints", streams="pose").streams == "pose"
    with pytest.raises(ValueError, match=r"not for 'folder'.*train\.<profile>\.model\.streams"):
        Dataset(corpus="folder", streams="pose")


def test_a_corpus_of_keypoints_trains_the_pose_stream(tmp_path):
    write_project(tmp_path)
    params = load_params(tmp_path / "params.yaml")
    assert params.train.small.model.streams == "both"
    assert params.training("mine").model.streams == "pose"
    with pytest.raises(ConfigError):
        params.training("other")
