"""Processes that train together, killed as they work: all of them or one, by themselves and under torchrun."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.killed_runs import BRIEF, assert_same, end, kept, kill_after, outputs, start, wait_for_states
from helpers.projects import write_project

pytestmark = pytest.mark.slow

LONGER = {**BRIEF, "epochs": 4}  # than it takes to be killed three times
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "stages.train", "toy"]


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


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    project = tmp_path_factory.mktemp("undisturbed") / "project"
    write_project(project, **LONGER)
    assert [end(child) for child in start_pair(project, free_port())] == [0, 0]
    return outputs(project)


def test_two_killed_processes_resume_together(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "killed"
    write_project(project, **LONGER)
    # A second time they are told to stop, and only one of them is.
    first, second = start_pair(project, free_port())
    assert kill_after(first, project, writings=2, seconds=0.05)
    os.kill(second, signal.SIGKILL)
    assert [end(first), end(second)] == [-signal.SIGKILL] * 2
    first, second = start_pair(project, free_port())
    while "resumed after step" not in (project / "log").read_text():
        time.sleep(0.002)
    os.kill(second, signal.SIGTERM)
    assert [end(first), end(second)] == [128 + signal.SIGTERM] * 2
    assert [end(child) for child in start_pair(project, free_port())] == [0, 0]
    assert_same(project, undisturbed)
    assert (project / "log").read_text().count("resumed after step") == 2


def workers(agent: int) -> list[int]:
    """Ids of the processes that torchrun has started, by rank."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdecimal() and int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == agent:
                variables = dict(v.split("=", 1) for v in (folder / "environ").read_text().split("\0") if "=" in v)
                found[variables["RANK"]] = int(folder.name)
        except (OSError, KeyError):  # it has ended, or is not a worker
            continue
    return [found[rank] for rank in sorted(found)]


@contextmanager
def torchrun(project: Path) -> Iterator[subprocess.Popen]:
    """The real command; nothing of it is left when the block ends. Its output goes to project/log."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (project / "log").open("a") as log:
        agent = subprocess.Popen([sys.executable, *TORCHRUN], cwd=project, env=environment, stdout=log, stderr=log)
    try:
        yield agent
    finally:
        for process in (*workers(agent.pid), agent.pid) if agent.poll() is None else ():
            os.kill(process, signal.SIGKILL)
        agent.wait()


def test_torchrun_resumes_after_one_or_all_workers_were_killed(undisturbed: dict[str, bytes], tmp_path: Path) -> None:
    project = tmp_path / "killed"
    write_project(project, **LONGER)
    for lost in ((0, 1), (1,), (0,)):  # the ranks
        with torchrun(project) as agent:
            assert wait_for_states(agent.pid, project, writings=1)
            both = workers(agent.pid)
            assert len(both) == 2
            time.sleep(0.05)  # into a step
            if lost == (0, 1):
                os.kill(agent.pid, signal.SIGKILL)
            for rank in lost:
                os.kill(both[rank], signal.SIGKILL)
            # Whoever is left ends soon: it neither waits for the lost one nor trains on half of each batch.
            assert agent.wait(timeout=60) != 0
            for rank in {0, 1} - set(lost):
                with pytest.raises(ProcessLookupError):
                    os.kill(both[rank], 0)
        assert kept(project)
    with torchrun(project) as agent:
        assert agent.wait() == 0
    assert (project / "log").read_text().count("resumed after step") == 3
    assert_same(project, undisturbed)
