"""The encoder's training, killed while it works, resumes to the same bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest
from helpers.killed_runs import end, fork
from helpers.toy_signs import NAME, copy_corpus, write_corpus, write_params
from ruamel.yaml import YAML

from seds.adapt import adapting  # noqa: F401  imported once, before processes are forked
from stages import adapt

pytestmark = pytest.mark.slow

KILLS = 6


def start(project: Path) -> int:
    """Run `python -m stages.adapt toy` in a process of its own. Returns its id; its output goes to project/log."""
    return fork(project, lambda: adapt.main(NAME))


def states(project: Path) -> list[Path]:
    return sorted(project.glob("work/adapt/toy/*/*.safetensors"))


def outputs(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((project / "data/adapt" / NAME).iterdir())}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    before = Path.cwd()
    os.chdir(root)
    write_corpus(Path(), {"train": 6, "dev": 2})
    os.chdir(before)
    return root


def new_project(root: Path, corpus: Path, minutes: float) -> Path:
    write_params(root, epochs=3, batch=4)
    params = YAML(typ="safe").load(root / "params.yaml")
    params["machine"]["checkpoint_minutes"] = minutes
    YAML(typ="safe").dump(params, root / "params.yaml")
    copy_corpus(corpus, root)
    return root


@pytest.fixture(scope="module")
def undisturbed(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = new_project(tmp_path_factory.mktemp("undisturbed") / "project", corpus, minutes=10)
    assert end(start(project)) == 0
    return outputs(project)


def test_training_killed_at_any_step_resumes_to_the_same_bytes(
    corpus: Path, undisturbed: dict[str, bytes], tmp_path: Path
) -> None:
    project, chance = new_project(tmp_path / "killed", corpus, minutes=0), random.Random(0)
    kills = 0
    while kills < KILLS:
        child, newest = start(project), states(project)
        while states(project) == newest and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        os.kill(child, signal.SIGKILL)
        assert end(child) == -signal.SIGKILL, "it got to the end before it was killed often enough"
        kills += 1
    assert end(start(project)) == 0
    assert (project / "log").read_text().count("adapt: resumed after step") >= KILLS - 1
    assert outputs(project) == undisturbed
    assert not states(project)


def test_stop_signal_saves_the_step(corpus: Path, undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = new_project(tmp_path / "told", corpus, minutes=10)
    child = start(project)
    while not (project / "log").exists() or "18 signs" not in (project / "log").read_text():
        time.sleep(0.002)
    os.kill(child, signal.SIGTERM)
    assert end(child) == 128 + signal.SIGTERM
    assert len(states(project)) == 1
    assert end(start(project)) == 0
    assert "adapt: resumed after step" in (project / "log").read_text()
    assert outputs(project) == undisturbed
