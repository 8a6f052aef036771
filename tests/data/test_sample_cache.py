"""Prepared once, read through maps: what is there is right, whole and shared, or is made again."""

import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers.corpus import RULES, computed_video, write_corpus

from seds import shards, tables
from seds.config import SampleRules
from seds.data import mapped, sample_cache, samples
from seds.data.samples import Video

FILES = 6


def rows_of(root: Path) -> pd.DataFrame:
    table = tables.read(root / "manifest" / "toy.parquet", tables.MANIFEST, "")
    return table[table["usable"]]


def opened(root: Path, rules: SampleRules = RULES, rows: pd.DataFrame | None = None) -> sample_cache.Videos:
    pose, rgb = (shards.ShardReader(root / kind / "toy", kind) for kind in ("pose", "rgb"))
    rows = rows_of(root) if rows is None else rows
    return sample_cache.open_videos(rows, pose, rgb, rules, root / "scratch", workers=2)


def assert_as_computed(videos: sample_cache.Videos, root: Path, rules: SampleRules = RULES) -> None:
    """Bit for bit what each row gives by itself."""
    pose, rgb = (shards.ShardReader(root / kind / "toy", kind) for kind in ("pose", "rgb"))
    rows = list(rows_of(root).itertuples())
    assert len(videos) == len(rows)
    for video, row in zip(videos, rows, strict=True):
        for field, expected in vars(computed_video(row, pose, rgb, rules)).items():
            found = getattr(video, field)
            if isinstance(expected, np.ndarray):
                assert found.dtype == expected.dtype, field
                np.testing.assert_array_equal(found, expected, err_msg=field)
            else:
                assert found == expected


def files(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (root / "scratch").rglob("*.safetensors")}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three splits in two shards: FILES files to prepare."""
    write_corpus(tmp_path, {"train": 2, "dev": 1, "test": 1})
    resharded(tmp_path, lambda i: f"{i % 2}.safetensors")
    return tmp_path


def resharded(root: Path, shard_of) -> None:
    """The corpus with video i in shard_of(i); in the rgb folder, in the shard of the video after it."""
    table = tables.read(root / "manifest" / "toy.parquet", tables.MANIFEST, "")
    for kind, shift in (("pose", 0), ("rgb", 1)):
        folder = root / kind / "toy"
        reader = shards.ShardReader(folder, kind)
        fields = ("keypoints",) if kind == "pose" else ("features", "starts")
        content: dict[str, dict] = {}
        for i, video_id in enumerate(reader.index["video_id"]):
            arrays = dict(zip(fields, reader.read(video_id, fields), strict=True))
            content.setdefault(shard_of(i + shift), {})[video_id] = arrays
        for name, videos in content.items():
            shards.write_shard(folder / name, kind, videos, {"window": "16"})
        place = {video_id: name for name, videos in content.items() for video_id in videos}
        shards.write_index(folder, reader.index.assign(shard=reader.index["video_id"].map(place)))
        table[f"{kind}_shard"] = table["video_id"].map(place)
    tables.write(table, tables.MANIFEST, root / "manifest" / "toy.parquet")


def test_prepared_videos_are_those_computed_one_by_one(root: Path) -> None:
    assert_as_computed(opened(root), root)
    made = files(root)
    assert len(made) == FILES
    videos = opened(root)
    assert_as_computed(videos, root)
    assert files(root) == made
    assert [video.video_id for video in videos[1:6:2]] == [videos[i].video_id for i in (1, 3, 5)]
    assert not videos[0].left.flags.writeable


def test_file_of_a_split_serves_whoever_reads_it(root: Path) -> None:
    opened(root)
    made = files(root)
    for _, rows in rows_of(root).groupby("split"):
        assert len(opened(root, rows=rows)) == len(rows)
    assert files(root) == made


@pytest.mark.slow
def test_samples_of_other_rules_rows_or_shards_are_made_anew(root: Path) -> None:
    opened(root)
    rules = SampleRules(visible_joints=21, window=8)
    assert_as_computed(opened(root, rules), root, rules)
    assert len(files(root)) == 2 * FILES

    few = opened(root, rows=rows_of(root).iloc[[7, 2]])
    assert [video.video_id for video in few] == rows_of(root)["video_id"].iloc[[7, 2]].tolist()
    assert len(files(root)) == 2 * FILES + 2

    path = root / "pose" / "toy" / "1.safetensors"
    moved = {}
    reader = shards.ShardReader(root / "pose" / "toy", "pose")
    for video_id in reader.index.loc[reader.index["shard"] == path.name, "video_id"]:
        moved[video_id] = {"keypoints": reader.read(video_id, ("keypoints",))[0] + np.float32([3, 5, 0])}
    shards.write_shard(path, "pose", moved, {})  # of the same size
    assert_as_computed(opened(root), root)
    assert len(files(root)) == 2 * FILES + 2 + FILES // 2  # the other shard's are used again


def test_other_code_prepares_anew(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(root)
    monkeypatch.setattr(sample_cache, "code_version", lambda build: "edited")
    assert_as_computed(opened(root), root)
    assert len(files(root)) == 2 * FILES


@pytest.mark.parametrize("damage", ["truncated", "empty", "foreign", "header"])
def test_a_damaged_file_is_made_again(root: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    opened(root)
    path, other, *rest = sorted(files(root))
    content = path.read_bytes()
    bad = {"truncated": content[:-8], "empty": b"", "foreign": other.read_bytes(), "header": content[:8] + b"?"}
    path.write_bytes(bad[damage])
    assert_as_computed(opened(root), root)
    assert path.read_bytes() == content
    assert "computing it again" in caplog.text
    assert sorted(files(root)) == [path, other, *rest]


def test_a_shard_that_changes_under_a_run_is_not_read_as_another(root: Path) -> None:
    videos = opened(root)
    videos._features.cache_clear()
    for path in (root / "rgb" / "toy").glob("*.safetensors"):
        os.utime(path)
    with pytest.raises(mapped.MappedError, match=r"rgb/toy/\d.safetensors has changed since this run began"):
        _ = videos[0]


def test_a_missing_shard_says_what_to_run(root: Path) -> None:
    (root / "pose" / "toy" / "1.safetensors").unlink()
    with pytest.raises(shards.ShardError, match=r"1\.safetensors not found; make it with: dvc repro pose@toy"):
        opened(root)


def _prepare_at_once(root: Path, go: Path) -> list[str]:
    while not go.exists():
        time.sleep(0.001)
    return [video.video_id for video in opened(root)]


@pytest.mark.slow
def test_two_processes_may_want_it_at_once(root: Path) -> None:
    with ProcessPoolExecutor(2, get_context("spawn")) as pool:
        results = [pool.submit(_prepare_at_once, root, root / "go") for _ in range(2)]
        (root / "go").touch()
        assert results[0].result() == results[1].result() == rows_of(root)["video_id"].tolist()
    assert_as_computed(opened(root), root)
    assert len(files(root)) == FILES
    assert not list((root / "scratch").rglob("*.safetensors.*"))


def test_maps_kept_open_are_few_and_views_outlive_them(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_cache, "_OPEN_FILES", 1)
    held: list[Video] = list(opened(root))
    monkeypatch.undo()
    for a, b in zip(held, opened(root), strict=True):
        np.testing.assert_array_equal(a.left, b.left)
        np.testing.assert_array_equal(a.rgb, b.rgb)


def test_rgb_rows_are_the_nearest_to_the_pose_windows(root: Path) -> None:
    keypoints = np.ones((40, 133, 3), np.float32)
    keypoints[:, 91:133, :2] = np.arange(42)[:, None] * [2, 3]
    starts = np.array([0, 8, 16, 24])
    one = samples.make_sample(keypoints, 256, 256, starts, 16, RULES)
    assert one.raw_frames.tolist() == list(range(40))
    assert one.nearest.tolist() == [int(np.argmin([abs(s - r) for r in starts])) for s in one.starts]
