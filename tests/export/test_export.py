"""What others get: embeddings against the index, .pose files against the shards, commands as they are typed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from helpers import shown
from helpers.commands import seds
from helpers.toy_search import write_searchable
from pose_format import Pose
from safetensors.torch import load_file

from seds.model.similarity import TEMPERATURE
from seds.search.gallery import Gallery
from seds.skeleton import JOINT_NAMES


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_searchable(tmp_path_factory.mktemp("made"), {"train": 1, "test": 2})


@pytest.fixture
def gallery(made: Path, monkeypatch: pytest.MonkeyPatch) -> Gallery:
    monkeypatch.chdir(made)
    return Gallery.open("toy")


def test_embeddings_are_those_of_the_index(gallery: Gallery) -> None:
    assert "export/toy/videos.safetensors" in seds("export", "toy").stdout
    tensors = load_file("export/toy/videos.safetensors")
    table = pd.read_parquet("export/toy/videos.parquet")
    assert table["video_id"].tolist() == gallery.videos["video_id"].tolist()
    for stream, stored in gallery.index.video_tokens.items():
        assert torch.equal(tensors[f"tokens/{stream}"], stored.tokens)
        assert torch.equal(tensors[f"pooled/{stream}"], stored.pooled)
        assert torch.equal(tensors["offsets"], stored.offsets)
        assert torch.equal(tensors["valid"], stored.valid)
    assert torch.equal(tensors["times"], gallery.index.times)
    sentences = load_file("export/toy/sentences.safetensors")
    assert torch.equal(sentences["tokens/text"], gallery.index.sentence_tokens.tokens)
    assert pd.read_parquet("export/toy/sentences.parquet")["text"].tolist() == gallery.sentences["text"].tolist()
    assert json.loads(Path("export/toy/export.json").read_text()) == json.loads(
        Path("index/toy/index.json").read_text()
    )


def test_rows_of_parquet_are_enough_to_score_with(gallery: Gallery, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the formula that seds.export.embeddings tells, from the files alone."""
    monkeypatch.setattr("seds.export.embeddings.BATCH", 5)
    seds("export", "embeddings", "toy", "--format", "parquet", "--output", "rows")
    header = json.loads(Path("rows/export.json").read_text())
    videos, words = pd.read_parquet("rows/video_tokens.parquet"), pd.read_parquet("rows/sentence_tokens.parquet")
    assert pq.ParquetFile("rows/video_tokens.parquet").num_row_groups > 1
    assert len(videos) == header["video_tokens"]
    pooled = pd.read_parquet("rows/videos.parquet").set_index("video_id")
    query = gallery.sentences.iloc[3]
    text = np.stack(words.loc[words["sentence_id"] == query["sentence_id"], "text"].tolist())
    expected = {hit.video_id: hit.score for hit in gallery.search_text(query["text"], 1000, "pose")}
    for video_id, rows in videos.groupby("video_id"):
        assert rows["token"].tolist() == list(range(len(rows)))
        assert rows["valid"].all()
        tokens = np.stack(rows["pose"].tolist())
        cosines = tokens @ text.T
        weights = np.exp(cosines / TEMPERATURE)
        i2t = ((cosines * weights).sum(1) / weights.sum(1)).mean()
        t2i = ((cosines * weights).sum(0) / weights.sum(0)).mean()
        score = header["logit_scale"] * (header["dual_mix"] * i2t + (1 - header["dual_mix"]) * t2i)
        assert score == pytest.approx(expected[video_id], abs=14.3e-4)
        np.testing.assert_allclose(pooled.loc[video_id, "pooled_pose"], tokens.mean(0), atol=5e-4)
    one = videos[videos["video_id"] == "test-dog-0"]
    np.testing.assert_allclose(one[["start_s", "end_s"]].iloc[1:], gallery.clip("test-dog-0").times, atol=1e-6)


def test_keypoints_are_read_back_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    joints = shown.lose_hand(shown.keypoints(), "left", slice(3, 6))
    joints[7, 100] = np.nan
    rows = [shown.row("../a b", "a.mp4"), shown.row("-x", "b.mp4", fps=12.5, width=321), shown.row("lost", "c.mp4")]
    shown.write_corpus(tmp_path, rows, {"../a b": joints, "-x": shown.keypoints(5), "lost": "no file"})
    monkeypatch.chdir(tmp_path)
    assert "out: 2 .pose files" in seds("export", "keypoints", "demo", "--output", "out").stdout
    listed = pd.read_parquet("out/videos.parquet").set_index("video_id")
    assert set(listed.index) == {"../a b", "-x"}
    assert sorted(path.name for path in Path("out").iterdir()) == sorted([*listed["file"], "videos.parquet"])
    for video_id, expected, size, fps in (("../a b", joints, 160, 10), ("-x", shown.keypoints(5), 321, 12.5)):
        pose = Pose.read((Path("out") / listed.loc[video_id, "file"]).read_bytes())
        found = np.concatenate([pose.body.data.data[:, 0], pose.body.confidence[:, 0, :, None]], axis=2)
        np.testing.assert_array_equal(found, np.nan_to_num(expected))
        assert (pose.body.fps, pose.header.dimensions.width, pose.header.dimensions.height) == (fps, size, 120)
        assert [part.name for part in pose.header.components] == ["BODY", "FEET", "FACE", "LEFT_HAND", "RIGHT_HAND"]
        assert [name for part in pose.header.components for name in part.points] == list(JOINT_NAMES)
        assert all(max(map(max, part.limbs)) < len(part.points) for part in pose.header.components if part.limbs)
        thumb = pose.header.components[3]
        assert ("left_hand_wrist", "left_thumb_1") in [(thumb.points[a], thumb.points[b]) for a, b in thumb.limbs]
    first = Pose.read((Path("out") / listed.loc["../a b", "file"]).read_bytes())
    assert first.body.data.mask[3, 0, 91:112].all(), "joints that were not found are masked"
    assert not first.body.data.mask[0, 0, 91:112].any()


def test_what_cannot_be_exported_gives_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown.write_corpus(tmp_path, [shown.row("a", "a.mp4")], {"a": "no file"})
    monkeypatch.chdir(tmp_path)
    assert "dvc repro index@demo" in seds("export", "demo", code=1).stderr
    assert "no video has keypoints" in seds("export", "keypoints", "demo", "--output", "out", code=1).stderr
    assert "unknown dataset 'other'" in seds("export", "keypoints", "other", "--output", "out", code=1).stderr
    assert "model" in seds("export", "checkpoint", "nowhere", "--output", "x.bin", code=1).stderr
    assert "checkpoint" in seds("export", "--help").stdout
