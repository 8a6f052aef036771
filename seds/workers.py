"""A pool of spawned processes that outlives the death of any of them.

`concurrent.futures` gives up all work when one worker dies, and native decoders and detectors do die of damaged input.
Here the task a dead worker held is tried once more in a fresh process; only that task fails when this one dies as well.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

_ATTEMPTS = 2
# Many processes of one thread each decode and detect faster than few of many; read when these libraries load.
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


class WorkerError(RuntimeError):
    """The workers cannot start: what they run could not be built. The message holds the reason."""


@dataclass(frozen=True)
class Failure:
    """A task that raised, or whose processes died."""

    detail: str


@dataclass
class _Worker:
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: int | None = None  # the one it works on


def run_tasks(
    build: Callable[[], Callable[[Any], Any]], tasks: Sequence[Any], workers: int
) -> Iterator[tuple[int, Any]]:
    """Yields (index of the task, result or Failure), in the order of completion.

    `build` (picklable) is called once in each process and gives the function applied to each task; `workers` processes
    run at most. Tasks start in their order. Raises WorkerError when `build` raises, or twice in a row ends its process.
    Leaving the iterator, by an exception or by Ctrl-C too, ends the processes.
    """
    waiting = deque(range(len(tasks)))
    deaths = [0] * len(tasks)
    failed_starts = 0  # in a row
    crew: list[_Worker] = []

    def busy() -> int:
        return sum(worker.task is not None for worker in crew)

    def hand_out(worker: _Worker) -> None:
        if worker.ready and worker.task is None and waiting:
            worker.task = waiting.popleft()
            with suppress(OSError):  # it died meanwhile, which the wait for its answer will tell
                worker.connection.send(tasks[worker.task])

    try:
        while waiting or busy():
            for worker in crew:
                hand_out(worker)
            while len(crew) < min(workers, len(waiting) + busy()):
                crew.append(_start(build))
            for connection in wait([worker.connection for worker in crew]):
                worker = next(w for w in crew if w.connection is connection)
                try:
                    outcome, value = worker.connection.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    reason = _death(worker)
                    if not worker.ready:
                        failed_starts += 1
                        if failed_starts == _ATTEMPTS:
                            raise WorkerError(f"a worker process {reason} while it started") from None
                    elif worker.task is not None:
                        deaths[worker.task] += 1
                        if deaths[worker.task] < _ATTEMPTS:
                            waiting.appendleft(worker.task)
                        else:
                            yield worker.task, Failure(f"its worker process {reason}, {_ATTEMPTS} times")
                    continue
                if outcome == "broken":
                    raise WorkerError(value)
                finished, worker.ready, worker.task, failed_starts = worker.task, True, None, 0
                hand_out(worker)  # before the result is dealt with, which may take a while
                if finished is not None:
                    yield finished, Failure(value) if outcome == "failed" else value
    finally:
        for worker in crew:
            worker.process.terminate()
        for worker in crew:
            worker.process.join()
            worker.connection.close()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def _start(build: Callable[[], Callable[[Any], Any]]) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, build), daemon=True)
    with _environment(_ONE_THREAD):
        process.start()
    theirs.close()  # so that the worker's death ends the pipe
    return _Worker(process, ours)


def _serve(connection: Connection, build: Callable[[], Callable[[Any], Any]]) -> None:
    """A worker's life: build, then a result for each task, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the workers
    try:
        apply = build()
    except Exception as error:
        connection.send(("broken", f"{type(error).__name__}: {error}"))
        return
    connection.send(("ready", None))
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        try:
            reply = ("done", apply(task))
        except Exception as error:
            detail = str(error) if isinstance(error, ValueError) and str(error) else f"{type(error).__name__}: {error}"
            reply = ("failed", detail)
        try:
            connection.send(reply)
        except OSError:  # the parent is gone, and with it whoever wanted this
            return


def _death(worker: _Worker) -> str:
    worker.process.join()
    worker.connection.close()
    code = worker.process.exitcode or 0
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """The environment variables that child processes inherit while this lasts."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
