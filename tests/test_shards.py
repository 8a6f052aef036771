"""Shards and their index: whole or not at all, and clear about what is wrong."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seds import shards, tables
from seds.data.mapped import MappedReader


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "demo"
    keypoints = np.arange(2 * 133 * 3, dtype=np.float32).reshape(2, 133, 3)
    shards.write_shard(place / "0.safetensors", "pose", {"a": {"keypoints": keypoints}}, {"estimator": "test"})
    rows = [("a", "0.safetensors", 2, 2, "ok", ""), ("b", "", 0, 0, "failed", "no frame")]
    columns = ["video_id", "shard", "frames", "rows", "status", "detail"]
    shards.write_index(place, pd.DataFrame(rows, columns=columns))
    return place


def test_reads_back_what_was_written(folder: Path) -> None:
    reader = shards.ShardReader(folder, "pose")
    (keypoints,) = reader.read("a", ("keypoints",))
    assert keypoints.dtype == np.float32
    assert keypoints.ravel().tolist() == list(range(2 * 133 * 3))
    assert "a" in reader
    assert "b" not in reader
    assert reader.metadata["estimator"] == "test"
    assert not list(folder.glob("*.partial"))


def test_a_video_or_field_that_is_not_there_is_named(folder: Path) -> None:
    reader = shards.ShardReader(folder, "pose")
    with pytest.raises(shards.ShardError, match="no pose for video 'b'"):
        reader.read("b", ("keypoints",))
    with pytest.raises(shards.ShardError, match=r"'a'.*features"):
        reader.read("a", ("features",))


def test_a_field_that_not_every_video_has_may_be_missing(folder: Path) -> None:
    for reader in (shards.ShardReader(folder, "pose"), MappedReader(folder, "pose")):
        assert reader.find("a", "frame_times") is None
        assert reader.find("b", "keypoints") is None
        found = reader.find("a", "keypoints")
        assert found is not None
        assert found.shape == (2, 133, 3)


def test_a_truncated_shard_is_a_clear_error(folder: Path) -> None:
    path = folder / "0.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(shards.ShardError, match=r"0.safetensors is not a readable shard .*dvc repro pose@demo"):
        shards.ShardReader(folder, "pose").read("a", ("keypoints",))


def test_a_shard_of_another_kind_is_refused(folder: Path) -> None:
    with pytest.raises(shards.ShardError, match="of kind 'rgb', found 'seds-shard-1' of kind 'pose'"):
        shards.ShardReader(folder, "rgb").read("a", ("features",))


def test_a_missing_index_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(tables.TableError, match="dvc repro pose@nothing"):
        shards.ShardReader(tmp_path / "nothing", "pose")
