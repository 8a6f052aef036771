"""The engine with real processes: order, failures, resuming, corpora that grow."""

import logging
import multiprocessing
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
import pytest
from helpers.toy_extractor import begun, make_broken, make_dying
from helpers.toy_runs import files, parts, run_toy

from seds import shards
from seds.engine.executors import LocalExecutor, gpu_of_each_worker
from seds.system import workers
from seds.system.jobs import JobShare


def test_index_has_the_ok_videos_in_order_with_reasons(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        index = run_toy(tmp_path, "0", "1-bad", "2-missing", "3-kill", "4-once", "5")
    assert index["video_id"].tolist() == ["0", "1-bad", "3-kill", "4-once", "5"]
    assert index["status"].tolist() == ["ok", "failed", "failed", "ok", "ok"]
    assert index["frames"].tolist() == [3, 0, 0, 7, 8]
    assert [name[:11] for name in index["shard"]] == ["shard-00000", "", "", "shard-00001", "shard-00002"]
    assert index["detail"][1] == f"{tmp_path}/videos/1-bad.mp4: cannot be decoded: truncated"
    assert "quarantined" in index["detail"][2]
    assert "killed by SIGKILL" in index["detail"][2]
    printed = caplog.text
    assert "2 of 5 left out\n  cannot be decoded: 1\n    1-bad: truncated\n  quarantined" in printed
    reader = shards.ShardReader(tmp_path / "out", "pose")
    assert reader.read("4-once", ["keypoints"])[0].shape == (7, 2)
    pd.testing.assert_frame_equal(reader.index, index)
    first, second = (
        shards.read_shard_metadata(tmp_path / "out" / f"shard-0000{i}.safetensors", "pose") for i in (0, 1)
    )
    assert first["estimator"] == "toy"
    assert first["fingerprint"] != second["fingerprint"]
    assert '"0": {"fps": 25.0, "width": 8, "height": 8}' in first["videos"]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's handler of SIGINT, which a shell's background process starts without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("ctrl_c")
def test_output_does_not_depend_on_workers_or_interruptions(tmp_path: Path) -> None:
    names = ["0-slow", "1", "2-interrupt", "3", "4-slow", "5", "6-once"]
    with pytest.raises(KeyboardInterrupt):
        run_toy(tmp_path, *names, output="one", executor=LocalExecutor(["cpu"]))
    assert not (tmp_path / "one").exists()
    assert not multiprocessing.active_children()
    landed = parts(tmp_path)
    assert len(landed) == 2
    run_toy(tmp_path, *names, output="one", executor=LocalExecutor(["cpu"]))
    assert parts(tmp_path).items() > landed.items(), "what had landed was written again"
    assert begun(tmp_path / "log") == [*names[:3], *names[2:], "6-once"]
    shutil.rmtree(tmp_path / "work")
    run_toy(tmp_path, *names, output="three", executor=LocalExecutor(["cpu"] * 3))
    assert files(tmp_path / "one") == files(tmp_path / "three")
    assert len(files(tmp_path / "one")) == 5  # four shards and the index


@pytest.mark.slow
def test_corpus_that_grew_or_shrank_computes_what_is_new(tmp_path: Path) -> None:
    run_toy(tmp_path, "0", "1-bad", "2", "3")
    assert run_toy(tmp_path, "9", "3", "1-bad", "0", "8", output="grown")["video_id"].tolist()[0] == "9"
    assert sorted(begun(tmp_path / "log")) == ["0", "1-bad", "2", "3", "8", "9"]
    run_toy(tmp_path / "fresh", "9", "3", "1-bad", "0", "8", output="grown")
    for name in ("shard-00000.safetensors", "shard-00001.safetensors", "shard-00002.safetensors"):
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "fresh" / "grown" / name).read_bytes()


def test_parts_of_other_settings_are_not_used(tmp_path: Path) -> None:
    run_toy(tmp_path, "0")
    run_toy(tmp_path, "0", settings={"estimator": "toy", "stride": "2"})
    assert begun(tmp_path / "log") == ["0", "0"]


def test_equal_content_is_computed_once(tmp_path: Path) -> None:
    index = run_toy(tmp_path, "0", "1")
    renamed = tmp_path / "videos"
    (renamed / "0.mp4").rename(renamed / "first.mp4")
    again = run_toy(tmp_path, "1", "0")
    assert len(begun(tmp_path / "log")) == 2
    assert sorted(again["frames"]) == sorted(index["frames"])


def test_damaged_parts_are_computed_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    names = [str(i) for i in range(6)]
    run_toy(tmp_path, *names)
    expected, landed = files(tmp_path / "out"), sorted(parts(tmp_path))
    truncated, altered, foreign = (landed[i] for i in (0, 2, 4))
    truncated.write_bytes(truncated.read_bytes()[:-5])
    content = bytearray(altered.read_bytes())
    content[-1] ^= 1
    altered.write_bytes(content)
    foreign.write_bytes(landed[5].read_bytes())
    run_toy(tmp_path, *names)
    assert files(tmp_path / "out") == expected
    assert len(begun(tmp_path / "log")) == 6 + 3
    printed = caplog.text
    assert all(str(path) in printed for path in (truncated, altered, foreign))


def test_lasting_failures_are_kept_and_others_tried_again(tmp_path: Path) -> None:
    names = ("0", "1-bad", "2-hungry", "3-odd")
    first = run_toy(tmp_path, *names)
    assert first["status"].tolist() == ["ok", "failed", "failed", "failed"]
    assert "out of memory" in first["detail"][2]
    assert "RuntimeError: odd" in first["detail"][3]
    pd.testing.assert_frame_equal(run_toy(tmp_path, *names), first)
    assert [begun(tmp_path / "log").count(name) for name in names] == [1, 1, 2, 2]
    for failed in tmp_path.glob("work/pose/*/failed/*"):
        failed.unlink()
    run_toy(tmp_path, *names)
    assert [begun(tmp_path / "log").count(name) for name in names] == [1, 2, 3, 3]


def test_output_is_replaced_and_other_files_are_left(tmp_path: Path) -> None:
    run_toy(tmp_path, "0", "1", "2", "3", "4")
    (tmp_path / "out" / "note.txt").write_text("mine")
    for unfinished in ("shard-00007.safetensors.0123.partial", "index.parquet.0123.partial"):
        (tmp_path / "out" / unfinished).write_text("of a run that was killed")
    run_toy(tmp_path, "0")
    assert sorted(files(tmp_path / "out")) == ["index.parquet", "note.txt", "shard-00000.safetensors"]


def test_index_without_readable_videos_has_no_rows(tmp_path: Path) -> None:
    for name, videos in (("none", ()), ("missing", ("0-missing",))):
        assert len(run_toy(tmp_path, *videos, output=name)) == 0
        assert shards.ShardReader(tmp_path / name, "pose").metadata == {}


@pytest.mark.parametrize(
    ("make_extractor", "reason"),
    [(make_broken, "FileNotFoundError: weights.pth not found"), (make_dying, "ended with code 3")],
)
def test_extractor_that_cannot_be_made_ends_the_run(tmp_path: Path, make_extractor: Callable, reason: str) -> None:
    with pytest.raises(workers.WorkerError, match=reason):
        run_toy(tmp_path, "0", "1", make_extractor=make_extractor)


@pytest.mark.slow
def test_workers_are_spread_over_the_devices(tmp_path: Path) -> None:
    devices = gpu_of_each_worker(gpus=3, workers=64, workers_per_gpu=1)
    assert devices == ["cuda:0", "cuda:1", "cuda:2"]
    assert gpu_of_each_worker(gpus=2, workers=3, workers_per_gpu=4) == ["cuda:0", "cuda:1", "cuda:0"]
    run_toy(tmp_path, *(f"{i}-slow" for i in range(9)), "9-slow-once", executor=LocalExecutor(devices))
    used = [line.split()[1:] for line in (tmp_path / "log").read_text().splitlines()]
    assert {device for device, _ in used} == set(devices)
    by_process = {process: device for device, process in used}
    assert sorted(map(by_process.get, by_process)) == sorted([*devices, "cuda:0"]), "a device a process, one more alone"


@pytest.mark.slow
def test_jobs_compute_all_videos_and_leave_the_output_alone(tmp_path: Path) -> None:
    names = [f"{i}" for i in range(8)]
    for i in (1, 2, 3):
        assert run_toy(tmp_path, *names, job=JobShare(i, 3)) is None
        assert not (tmp_path / "out").exists()
    assert sorted(begun(tmp_path / "log")) == names
    run_toy(tmp_path, *names)
    assert sorted(begun(tmp_path / "log")) == names
    run_toy(tmp_path / "whole", *names)
    assert files(tmp_path / "out") == files(tmp_path / "whole" / "out")
