"""The pool with real processes: order, deaths, memory."""

import os
import signal
import time
from functools import partial
from pathlib import Path

import pytest

from seds.system.workers import Death, WorkerError, run_tasks


def make_square():
    return square


def square(x: int) -> int:
    return x * x


def make_victim(log: Path, place: str):
    """A function that does as it is told, and writes down where."""

    def act(task: str) -> str:
        with log.open("a") as file:
            file.write(f"{place} {task} {os.environ['OMP_NUM_THREADS']}\n")
        if task == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "raises":
            raise RuntimeError("what the function does not catch")
        if task == "slow":
            time.sleep(0.5)
        return task.upper()

    return act


def make_large():
    return large


def large(size: int) -> bytes:
    return bytes(size)


def make_nothing():
    raise ValueError("no weights")


def test_pool_answers_every_task_and_announces_it_before() -> None:
    begun: list[int] = []
    done = {}
    for i, result in run_tasks([make_square] * 2, list(range(20)), begun.append):
        assert i in begun
        done[i] = result
    assert done == {i: i * i for i in range(20)}
    assert begun == list(range(20))


def test_pool_answers_a_death_and_starts_another_process(tmp_path: Path) -> None:
    makers = [partial(make_victim, tmp_path / "log", place) for place in ("left", "right")]
    tasks = ["slow", "killed", "raises", "slow", "a", "b"]
    results = dict(run_tasks(makers, tasks))
    assert results[1] == Death("its worker process was killed by SIGKILL")
    assert results[2] == Death("its worker process ended with code 1")
    assert [results[i] for i in (0, 3, 4, 5)] == ["SLOW", "SLOW", "A", "B"]
    lines = [line.split() for line in (tmp_path / "log").read_text().splitlines()]
    assert {place for place, _, _ in lines} == {"left", "right"}
    assert {threads for _, _, threads in lines} == {"1"}


def test_pool_holds_no_more_than_one_result_per_worker() -> None:
    """Ten results of 20 MB from two workers; this process holds one or two of them, whatever it takes over each."""
    before = resident_mb()
    highest = 0.0
    for _, result in run_tasks([make_large] * 2, [20_000_000] * 10):
        time.sleep(0.05)
        highest = max(highest, resident_mb() - before)
        assert len(result) == 20_000_000
    assert highest < 100, f"{highest:.0f} MB"


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def test_pool_raises_if_its_function_cannot_be_made() -> None:
    with pytest.raises(WorkerError, match="ValueError: no weights"):
        list(run_tasks([make_nothing] * 2, [1, 2]))
