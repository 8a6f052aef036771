"""Runs of a stage, mostly train on a toy corpus, in processes that are killed as they work.

They are forked from this one, which has imported everything once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch._dynamo  # else each process would import it for its optimiser, for seconds

from helpers.corpus import SIZES
from helpers.projects import write_project
from seds.system.commands import logging_to
from stages import train

# Most of a toy model is the embedding of 49,408 words: a narrow one is written quickly.
BRIEF = {"epochs": 2, "model": SIZES.model_copy(update={"text_width": 8})}


def start(project: Path, before: Callable[[], None] = lambda: None) -> int:
    """Run `python -m stages.train toy` in a process of its own. Returns its id; its output goes to project/log."""

    def run() -> None:
        before()
        train.main("toy")

    return fork(project, run)


def fork(project: Path, run: Callable[[], None]) -> int:
    """Run a stage in a project, in a process of its own. Returns its id; its output goes to project/log."""
    child = os.fork()
    if child:
        return child
    status = 70
    try:  # nothing of the test run may go on in here
        sys.stdout = sys.stderr = (project / "log").open("a", buffering=1)
        os.chdir(project)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        torch.set_num_threads(1)
        with logging_to(sys.stdout):
            run()
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


def wait_for_states(child: int, project: Path, writings: int) -> bool:
    """Wait until a run has written its state so often; False when the process has ended by itself before."""
    written, before = 0, kept(project)
    while written < writings:
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            return False
        now = kept(project)
        written, before = written + (now.items() - before.items() != set()), now
        time.sleep(0.002)
    return True


def kill_after(child: int, project: Path, writings: int, seconds: float) -> bool:
    """Kill a process so long after it has written its state so often; False when it has ended by itself before."""
    if not wait_for_states(child, project, writings):
        return False
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    return True


def interrupted(project: Path, writings: int = 3) -> dict[Path, int]:
    """A new project, whose run was killed after so many writings of its state; what is kept of it."""
    write_project(project, **BRIEF)
    child = start(project)
    assert kill_after(child, project, writings, seconds=0)
    assert end(child) == -signal.SIGKILL
    return kept(project)


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


def assert_same(project: Path, expected: dict[str, bytes]) -> None:
    found = outputs(project)
    assert list(found) == list(expected)
    assert [name for name in expected if found[name] != expected[name]] == []
    assert not kept(project), "what was kept for a restart is removed when the outputs are there"
