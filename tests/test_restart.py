"""Training that is ended at any step goes on to the very result it would have had.

The real stage on a toy corpus, in processes that are killed as they work. They are forked from this one, which has
imported everything once.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._dynamo  # else each process would import it for its optimiser, for seconds
from corpus import SIZES
from projects import write_project

from stages import train

KILLS = 20
# Most of a toy model is the embedding of 49,408 words: a narrow one is written quickly.
BRIEF = {"epochs": 2, "model": SIZES.model_copy(update={"text_width": 8})}


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
    """What training leaves, but for what depends on the clock: a table of curves, and two lines of the model cards."""
    found = {}
    for folder in ("models", "metrics"):
        for path in sorted((project / folder).rglob("*")):
            if path.is_file() and path.name != "machine.json":
                lines = path.read_bytes().splitlines(keepends=True)
                found[str(path.relative_to(project))] = b"".join(s for s in lines if not s.startswith(b"- trained in"))
    return found


def run_undisturbed(project: Path, **settings: Any) -> dict[str, bytes]:
    write_project(project, minutes=10, **BRIEF, **settings)
    assert end(start(project)) == 0
    return outputs(project)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return run_undisturbed(tmp_path_factory.mktemp("undisturbed") / "project")


def assert_same(project: Path, expected: dict[str, bytes]) -> None:
    found = outputs(project)
    assert list(found) == list(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert not kept(project), "what was kept for a restart is removed when the outputs are there"


def test_the_same_seed_gives_the_same_bytes(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    assert run_undisturbed(tmp_path / "again") == undisturbed


def test_killed_at_any_step_it_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
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
    assert (project / "log").read_text().count("continued after step") > KILLS // 4


def test_a_truncated_state_is_told_and_the_one_before_it_used(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "truncated"
    write_project(project, **BRIEF)
    child = start(project)
    assert kill_after(child, project, writings=3, seconds=0)
    end(child)
    newest = max(kept(project))
    newest.write_bytes(newest.read_bytes()[:-100])
    assert end(start(project)) == 0
    log = (project / "log").read_text()
    assert f"{newest.relative_to(project)} is not a readable snapshot" in log
    assert "the one before it is used\ntrain: continued after step" in log
    assert_same(project, undisturbed)


def test_a_disk_that_is_full_for_a_while_ends_nothing(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "full"
    write_project(project, **BRIEF)
    child = start(project)
    assert kill_after(child, project, writings=3, seconds=0)
    end(child)
    good = kept(project)

    def full() -> None:
        """Room for a model, but not for a model with its moments."""
        size = len(undisturbed["models/toy/seds.safetensors"])
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(1.5 * size), resource.RLIM_INFINITY))

    child = start(project, full)
    while "Training goes on" not in (project / "log").read_text():
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    assert end(child) == -signal.SIGKILL
    assert kept(project) == good
    assert end(start(project, full)) == 0
    assert "cannot be written: Error while serializing: I/O error: File too large" in (project / "log").read_text()
    assert_same(project, undisturbed)


@pytest.mark.parametrize("notice", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_keeps_the_step_it_is_at(
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
    assert "; the same command continues" in (project / "log").read_text()
    assert end(start(project)) == 0
    assert "train: continued after step" in (project / "log").read_text()
    assert_same(project, undisturbed)


def test_a_run_of_other_settings_is_not_continued(tmp_path: Path) -> None:
    project = tmp_path / "other"
    write_project(project, **BRIEF)
    child = start(project)
    assert kill_after(child, project, writings=2, seconds=0)
    end(child)
    waiting = kept(project)
    shutil.move(project, tmp_path / "before")
    write_project(project, lr=5e-4, **BRIEF)
    shutil.move(tmp_path / "before" / "work", project / "work")
    assert end(start(project)) == 0
    log = (project / "log").read_text()
    assert "continued" not in log
    assert "It is not this one: train.lr 0.001 (here 0.0005). With its settings it goes on" in log
    assert list(kept(project)) == list(waiting)


def start_pair(project: Path, store: int) -> list[int]:
    """Two processes as torchrun starts them. store: the port at which they meet."""

    def joined(rank: int) -> Callable[[], None]:
        own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": store}
        return lambda: os.environ.update({"TORCHELASTIC_RUN_ID": "test", **{k: str(v) for k, v in own.items()}})

    return [start(project, joined(rank)) for rank in range(2)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def test_two_processes_go_on_together(tmp_path: Path) -> None:
    write_project(tmp_path / "alone", **BRIEF)
    assert [end(child) for child in start_pair(tmp_path / "alone", free_port())] == [0, 0]
    expected = outputs(tmp_path / "alone")

    project = tmp_path / "killed"
    write_project(project, **BRIEF)
    # A second time they are told to stop, and only one of them is.
    first, second = start_pair(project, free_port())
    assert kill_after(first, project, writings=2, seconds=0.05)
    os.kill(second, signal.SIGKILL)
    assert [end(first), end(second)] == [-signal.SIGKILL] * 2
    first, second = start_pair(project, free_port())
    while "continued after step" not in (project / "log").read_text():
        time.sleep(0.002)
    os.kill(second, signal.SIGTERM)
    assert [end(first), end(second)] == [128 + signal.SIGTERM] * 2
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *torchrun, "-m", "stages.train", "toy"], cwd=project, env=environment, check=True)
    assert_same(project, expected)
    assert (project / "log").read_text().count("continued after step") == 1
