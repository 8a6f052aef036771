"""Crashes are remembered by video, beyond the process that saw them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.toy_extractor import begun
from helpers.toy_runs import run_toy

from seds.engine.crash_log import CrashLog
from seds.engine.executors import LocalExecutor
from seds.extraction.extractor import Video

A, B = (Video(name, f"{name}.mp4", None, None, 10, 25.0, 8, 8, name * 64) for name in "ab")

DIE_AT_WORK = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from engine.test_crash_log import A, B
from seds.engine.crash_log import CrashLog
with CrashLog(Path({folder!r})).journal() as journal:
    {acts}
    os.kill(os.getpid(), signal.SIGKILL)
"""


def die(folder: Path, acts: str) -> None:
    """A run that is killed after some acts with its journal."""
    script = DIE_AT_WORK.format(tests=str(Path(__file__).parents[1]), folder=str(folder), acts=acts)
    assert subprocess.run([sys.executable, "-c", script]).returncode == -signal.SIGKILL


@pytest.mark.slow
def test_crash_log_weighs_a_dead_run_by_its_videos(tmp_path: Path) -> None:
    die(tmp_path, "journal.begin(A); journal.begin(B)")
    log = CrashLog(tmp_path)
    assert (log.weight(A), log.weight(B)) == (0.5, 0.5)
    assert not list(log.runs.iterdir())
    die(tmp_path, "journal.begin(A); journal.begin(B); journal.end(A)")
    log = CrashLog(tmp_path)
    assert (log.weight(A), log.weight(B)) == (0.5, 1.5), "B was alone"
    assert "whole run died" in log.last_error(B)
    log.clear(A)
    assert (CrashLog(tmp_path).weight(A), CrashLog(tmp_path).weight(B)) == (0, 1.5)
    log.path(B).unlink()
    assert CrashLog(tmp_path).weight(B) == 0


def test_crash_log_leaves_the_videos_of_a_living_run_alone(tmp_path: Path) -> None:
    log = CrashLog(tmp_path)
    with log.journal() as journal:
        journal.begin(A)
        assert CrashLog(tmp_path).weight(A) == 0
        assert len(list(log.runs.iterdir())) == 1
    assert CrashLog(tmp_path).weight(A) == 0, "it left in order"


@pytest.mark.slow
def test_journal_counts_once_even_if_its_reader_dies_too(tmp_path: Path) -> None:
    die(tmp_path, "journal.begin(A)")
    left = next((tmp_path / "runs").iterdir())
    journal = left.read_bytes()
    assert CrashLog(tmp_path).weight(A) == 1
    left.write_bytes(journal + b'["begin", "cut short by the')  # as if the reader had not come to remove it
    assert CrashLog(tmp_path).weight(A) == 1


@pytest.mark.slow
def test_video_that_crashes_its_worker_is_quarantined(tmp_path: Path) -> None:
    names = ("0", "1-kill", "2", "3-once", "4")
    index = run_toy(tmp_path, *names)
    assert index["status"].tolist() == ["ok", "failed", "ok", "ok", "ok"]
    assert [begun(tmp_path / "log").count(name) for name in names] == [1, 2, 1, 2, 1]
    assert begun(tmp_path / "log")[-2:] in (["1-kill", "3-once"], ["3-once", "1-kill"]), "again after all others"
    again = run_toy(tmp_path, *names)
    assert begun(tmp_path / "log").count("1-kill") == 2, "neither does a new run try it"
    assert again["detail"][1] == index["detail"][1]
    cure = again["detail"][1].split("rm ")[1]
    os.unlink(cure)
    run_toy(tmp_path, *names)
    assert begun(tmp_path / "log").count("1-kill") == 4


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_video_that_crashes_the_whole_run_is_quarantined(tmp_path: Path, workers: int) -> None:
    names = ("0", "1-group", "2", "3-slow", "4-slow")
    call = f"run_toy(Path({str(tmp_path)!r}), *{names!r}, executor=LocalExecutor(['cpu'] * {workers}))"
    script = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from pathlib import Path\n"
    script += f"from helpers.toy_runs import run_toy, LocalExecutor\nif __name__ == '__main__': {call}\n"
    (tmp_path / "stage.py").write_text(script)
    codes = []
    while not codes or codes[-1]:
        done = subprocess.run([sys.executable, "stage.py"], cwd=tmp_path, start_new_session=True, capture_output=True)
        codes.append(done.returncode)
        assert len(codes) < 6, done.stderr.decode()
    assert set(codes[:-1]) == {-signal.SIGKILL}
    assert len(codes) in ((3,) if workers == 1 else (3, 4))
    index = run_toy(tmp_path, *names, executor=LocalExecutor(["cpu"]))
    assert index["status"].tolist() == ["ok", "failed", "ok", "ok", "ok"]
    assert "the whole run died" in index["detail"][1]
    assert begun(tmp_path / "log").count("1-group") == len(codes) - 1
