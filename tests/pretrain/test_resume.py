"""The pretraining, killed while it works, resumes to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from helpers.killed_runs import end, fork
from helpers.projects import write_project

from seds.pretrain import pretraining  # noqa: F401  imported once, before processes are forked
from stages import pretrain

pytestmark = pytest.mark.slow

KILLS = 5
PRETRAIN = {"method": "masked", "epochs": 4, "batch": 2}  # 16 steps


def start(project: Path) -> int:
    return fork(project, lambda: pretrain.main("toy"))


def states(project: Path) -> list[Path]:
    return sorted(project.glob("work/pretrain/toy/*/*.safetensors"))


def outputs(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((project / "data/pretrain/toy").iterdir())}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = tmp_path_factory.mktemp("undisturbed") / "project"
    write_project(project, minutes=10, pretrain=PRETRAIN)
    assert end(start(project)) == 0
    return outputs(project)


def test_pretraining_killed_at_any_step_resumes_to_the_same_bytes(
    undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    project, chance = tmp_path / "killed", random.Random(0)
    write_project(project, pretrain=PRETRAIN)
    for _ in range(KILLS):
        child, newest = start(project), states(project)
        while states(project) == newest and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        assert end(child) == -signal.SIGKILL, "it got to the end before it was killed often enough"
    assert end(start(project)) == 0
    assert (project / "log").read_text().count("pretrain: resumed after step") >= KILLS - 1
    assert outputs(project) == undisturbed
    assert not states(project)


def test_stop_signal_saves_the_step(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "told"
    write_project(project, minutes=10, pretrain=PRETRAIN)
    child = start(project)
    while not (project / "log").exists() or "toy: 8 videos" not in (project / "log").read_text():
        time.sleep(0.002)
    os.kill(child, signal.SIGTERM)
    assert end(child) == 128 + signal.SIGTERM
    assert len(states(project)) == 1
    assert end(start(project)) == 0
    assert "pretrain: resumed after step" in (project / "log").read_text()
    assert outputs(project) == undisturbed
