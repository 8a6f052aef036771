"""Training that is interrupted at any step resumes to the same result: one process, killed while it works."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import time
from pathlib import Path

import pytest
from helpers.killed_runs import BRIEF, assert_same, end, interrupted, kept, kill_after, run_undisturbed, start
from helpers.projects import write_project

pytestmark = pytest.mark.slow

KILLS = 8  # tests/engine/test_kills.py has as many as 30


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed") / "project")


def test_training_twice_gives_the_same_bytes(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    assert run_undisturbed(tmp_path / "again") == undisturbed


def test_training_killed_at_any_step_resumes_to_the_same_bytes(tmp_path: Path) -> None:
    expected = run_undisturbed(tmp_path / "undisturbed", seeds=[3, 4])
    assert expected["models/toy/seds.safetensors"] != expected["models/toy/seeds/4/seds.safetensors"]
    project, chance = tmp_path / "killed", random.Random(0)
    write_project(project, seeds=[3, 4], **BRIEF)
    kills, continued = 0, 0
    while kills < KILLS:
        continued += bool(kept(project))
        child = start(project)
        # While it starts, while it reads what was kept, in a step, while it writes, while it measures on dev.
        killed = kill_after(child, project, chance.choice([0, 1, 1, 2]), chance.uniform(0, 0.2))
        status = end(child)
        if killed and status == -signal.SIGKILL:
            kills += 1
            continue
        assert status == 0
        assert_same(project, expected)  # it got to the end: once more from the start
        for folder in ("models", "metrics"):
            shutil.rmtree(project / folder)
    assert continued > KILLS // 2
    assert end(start(project)) == 0
    assert_same(project, expected)
    assert (project / "log").read_text().count("resumed after step") > KILLS // 4


def test_truncated_checkpoint_falls_back_to_the_previous_one(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "truncated"
    newest = max(interrupted(project))
    newest.write_bytes(newest.read_bytes()[:-100])
    assert end(start(project)) == 0
    log = (project / "log").read_text()
    assert f"{newest.relative_to(project)} is not a readable snapshot" in log
    assert "the one before it is used\ntrain: resumed after step" in log
    assert_same(project, undisturbed)


def test_full_disk_does_not_end_a_training(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "full"
    good = interrupted(project)

    def full() -> None:
        """Room for a model, but not for a model with its moments."""
        size = len(undisturbed["models/toy/seds.safetensors"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(1.5 * size), resource.RLIM_INFINITY))

    child = start(project, full)
    while "Training continues" not in (project / "log").read_text():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert end(child) == -signal.SIGKILL
    assert kept(project) == good
    assert end(start(project, full)) == 0
    assert "cannot be written: Error while serializing: I/O error: File too large" in (project / "log").read_text()
    assert_same(project, undisturbed)


@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_saves_the_current_step(
    undisturbed: dict[str, bytes], tmp_path: Path, notice: signal.Signals
) -> None:
    project = tmp_path / "told"
    write_project(project, minutes=10, **BRIEF)
    child = start(project)
    while not (project / "log").exists() or "parameters" not in (project / "log").read_text():
        time.sleep(0.002)
    os.kill(child, notice)
    assert end(child) == 128 + notice
    assert len(kept(project)) == 1
    assert "; the same command resumes it" in (project / "log").read_text()
    assert end(start(project)) == 0
    assert "train: resumed after step" in (project / "log").read_text()
    assert_same(project, undisturbed)


def test_run_of_other_settings_is_not_resumed(tmp_path: Path) -> None:
    project = tmp_path / "other"
    waiting = interrupted(project, writings=2)
    shutil.move(project, tmp_path / "before")
    write_project(project, lr=5e-4, **BRIEF)
    shutil.move(tmp_path / "before" / "work", project / "work")
    assert end(start(project)) == 0
    log = (project / "log").read_text()
    assert "continued" not in log
    assert "It differs in train.lr 0.001 (here 0.0005). With its settings, the same command resumes it." in log
    assert list(kept(project)) == list(waiting)
