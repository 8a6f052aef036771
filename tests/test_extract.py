"""The engine with real processes: order, failures, deaths, resuming."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seds import extract as engine
from seds import shards, tables, workers


class Toy:
    """Writes down each video it works on; what a video does is in its id."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, video: engine.Video) -> engine.Extraction:
        with self.log.open("a") as file:
            file.write(f"{video.video_id}\n")
        if "slow" in video.video_id:
            time.sleep(0.3)
        if "bad" in video.video_id:
            raise ValueError(f"{video.path}: truncated")
        if "kill" in video.video_id or ("once" in video.video_id and self.seen(video) < 2):
            os.kill(os.getpid(), signal.SIGKILL)
        if "stop" in video.video_id and self.seen(video) < 2:
            time.sleep(0.5)  # the shard before this one lands meanwhile
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(30)
        seed = int(video.video_id.split("-")[0])
        tensor = np.random.default_rng(seed).normal(size=(video.frames, 2)).astype(np.float32)
        return engine.Extraction({"keypoints": tensor}, video.frames, video.frames)

    def seen(self, video: engine.Video) -> int:
        return self.log.read_text().splitlines().count(video.video_id)


def build_toy(log: Path) -> Toy:
    return Toy(log)


def build_broken() -> Toy:
    raise FileNotFoundError("weights.pth not found")


def build_dying() -> Toy:
    os._exit(3)


def videos_table(*ids: str) -> pd.DataFrame:
    rows = [
        {
            "video_id": video_id, "sentence_id": video_id, "split": "train", "text": "a", "text_original": "a",
            "language": "en", "signer": "", "path": f"{video_id}.mp4", "start_s": None, "end_s": None, "dataset": "toy",
            "frames": 3 + i, "fps": 25.0, "width": 8, "height": 8, "sha256": f"{i:064x}",
            "status": "missing" if "missing" in video_id else "ok", "detail": "",
        }
        for i, video_id in enumerate(ids)
    ]  # fmt: skip
    return tables.check(pd.DataFrame(rows, columns=list(tables.VIDEOS.columns)), tables.VIDEOS, "toy")


def run(tmp_path: Path, *ids: str, name: str = "out", workers: int = 2, build: Callable | None = None) -> pd.DataFrame:
    return engine.extract(
        kind="pose",
        videos=videos_table(*ids),
        build=build or partial(build_toy, tmp_path / "log"),
        settings={"estimator": "toy"},
        output=tmp_path / name,
        scratch=tmp_path / "work",
        shard_videos=2,
        workers=workers,
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_index_has_the_ok_videos_in_order_with_their_reasons(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    index = run(tmp_path, "0", "1-bad", "2-missing", "3-kill", "4-once", "5")
    assert index["video_id"].tolist() == ["0", "1-bad", "3-kill", "4-once", "5"]
    assert index["status"].tolist() == ["ok", "failed", "failed", "ok", "ok"]
    assert index["frames"].tolist() == [3, 0, 0, 7, 8]
    assert index["shard"].tolist() == [
        f"shard-0000{i}.safetensors" if i is not None else "" for i in (0, None, None, 1, 2)
    ]
    assert index["detail"][1] == "1-bad.mp4: truncated"
    assert "killed by SIGKILL, 2 times" in index["detail"][2]
    assert "2 of 5 failed" in capsys.readouterr().out
    reader = shards.ShardReader(tmp_path / "out", "pose")
    assert reader.read("4-once", ["keypoints"])[0].shape == (7, 2)
    pd.testing.assert_frame_equal(reader.index, index)
    assert not list((tmp_path / "work" / "pose").iterdir()), "scratch is removed"
    first, second = (
        shards.read_shard_metadata(tmp_path / "out" / f"shard-0000{i}.safetensors", "pose") for i in (0, 1)
    )
    assert first["estimator"] == "toy"
    assert first["fingerprint"] != second["fingerprint"]
    assert '"0": {"fps": 25.0, "width": 8, "height": 8}' in first["videos"]


def test_a_task_whose_worker_died_goes_to_an_idle_one(tmp_path: Path) -> None:
    index = run(tmp_path, "0", "1-slow-once")
    assert index["status"].tolist() == ["ok", "ok"]
    assert (tmp_path / "log").read_text().split().count("1-slow-once") == 2


def test_output_bytes_do_not_depend_on_workers(tmp_path: Path) -> None:
    ids = ["0-slow", "1", "2", "3-bad", "4-slow", "5", "6"]
    run(tmp_path, *ids, name="one", workers=1)
    run(tmp_path, *ids, name="three", workers=3)
    assert files(tmp_path / "one") == files(tmp_path / "three")
    assert len(files(tmp_path / "one")) == 5  # four shards and the index


def test_ctrl_c_keeps_finished_shards_and_the_next_run_skips_them(tmp_path: Path) -> None:
    ids = ["0", "1", "2-stop", "3"]
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, *ids, workers=1)
    assert not (tmp_path / "out").exists()
    assert not multiprocessing.active_children()
    others = ["9", *ids[1:]]
    assert run(tmp_path, *others, workers=1)["video_id"].tolist() == others, "their scratch is their own"
    assert (run(tmp_path, *ids, workers=1)["status"] == "ok").all()
    assert (tmp_path / "log").read_text().split() == [*ids[:3], *others, *ids[2:]]


def test_output_is_replaced_and_other_files_are_left(tmp_path: Path) -> None:
    run(tmp_path, "0", "1", "2", "3", "4")
    (tmp_path / "out" / "note.txt").write_text("mine")
    run(tmp_path, "0")
    assert sorted(files(tmp_path / "out")) == ["index.parquet", "note.txt", "shard-00000.safetensors"]


def test_no_readable_video_makes_an_index_without_rows(tmp_path: Path) -> None:
    for name, ids in (("none", ()), ("missing", ("0-missing",))):
        assert len(run(tmp_path, *ids, name=name)) == 0
        assert shards.ShardReader(tmp_path / name, "pose").metadata == {}


@pytest.mark.parametrize(
    ("build", "reason"),
    [(build_broken, "FileNotFoundError: weights.pth not found"), (build_dying, "ended with code 3")],
)
def test_an_extractor_that_cannot_be_built_ends_the_run(tmp_path: Path, build: Callable, reason: str) -> None:
    with pytest.raises(workers.WorkerError, match=reason):
        run(tmp_path, "0", "1", build=build)


def test_code_version_follows_the_imports_of_the_builder() -> None:
    imported = {path.name for path in engine._imports(Path(engine.__file__))}
    assert imported == {"shards.py", "tables.py", "workers.py"}
