"""Training that is ended at any step goes on to the very result it would have had.

The real stage on a toy corpus, in processes that are killed as they work. They are forked from this one, which has
imported everything once.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch._dynamo  # else each process would import it for its optimiser, for seconds
from corpus import SIZES
from projects import write_project

from stages import train

KILLS = 20
# Most of a toy model is the embedding of 49,408 words: a narrow one is written quickly.
BRIEF = {"epochs": 3, "model": SIZES.model_copy(update={"text_width": 8})}


def start(project: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run `python -m stages.train toy` in a process of its own. Returns its id; its output goes to project/log."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:  # nothing of the test run may go on in here
        sys.stdout = sys.stderr = (project / "log").open("a", buffering=1)
        os.chdir(project)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)
        before()
        train.main("toy")
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    finally:
        os._exit(status)


def end(child: int) -> int:
    """Its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kept(project: Path) -> dict[Path, int]:
    """The files of the states that are there, with the time of each."""
    found = {}
    for path in sorted(project.glob("work/train/toy/*/*/*.safetensors")):
        try:
            found[path] = path.stat().st_mtime_ns
        except FileNotFoundError:  # it has been replaced
            continue
    return found


def kill_after(child: int, project: Path, writings: int, seconds: float) -> bool:
    """Kill a process so long after it has written its state so often; False when it has ended by itself before."""
    written, before = 0, kept(project)
    while written < writings:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        now = kept(project)
        written, before = written + (now.items() - before.items() != set()), now
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return True


def outputs(project: Path) -> dict[str, bytes]:
    """What training leaves, but for what depends on the clock: two curves, and two lines of the model cards."""
    found = {}
    for folder in ("models", "metrics"):
        for path in sorted((project / folder).rglob("*")):
            if path.is_file() and "machine" not in path.parts:
                lines = path.read_bytes().splitlines(keepends=True)
                found[str(path.relative_to(project))] = b"".join(s for s in lines if not s.startswith(b"- trained in"))
    return found


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = tmp_path_factory.mktemp("undisturbed") / "project"
    write_project(project, seeds=[3, 4], minutes=10, **BRIEF)
    assert end(start(project)) == 0
    return outputs(project)


def assert_same(project: Path, expected: dict[str, bytes]) -> None:
    found = outputs(project)
    assert list(found) == list(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert not kept(project), "what was kept for a restart is removed when the outputs are there"


def test_the_same_seed_gives_the_same_bytes(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    write_project(tmp_path / "again", seeds=[3, 4], **BRIEF)
    assert end(start(tmp_path / "again")) == 0
    assert_same(tmp_path / "again", undisturbed)
    assert undisturbed["models/toy/seds.safetensors"] != undisturbed["models/toy/seeds/4/seds.safetensors"]


def test_killed_at_any_step_it_goes_on_to_the_same_bytes(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
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
        assert_same(project, undisturbed)  # it got to the end: once more from the start
        for folder in ("models", "metrics"):
            shutil.rmtree(project / folder)
    assert continued > KILLS // 2
    assert end(start(project)) == 0
    assert_same(project, undisturbed)
    assert (project / "log").read_text().count("continued after step") > KILLS // 4
