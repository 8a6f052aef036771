"""A pool of spawned processes that survives the death of any of them.

`concurrent.futures` gives up all work when one worker dies, and native decoders and detectors do crash on damaged
input. Here a death is an answer like any other, and a new process takes the worker's place. What becomes of the task is
for the caller to decide.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any

from seds.errors import SedsError
from seds.system.threads import ONE_THREAD

_FAILED_STARTS = 2  # in a row, after which another attempt is no use

MakeFunction = Callable[[], Callable[[Any], Any]]


class WorkerError(SedsError, RuntimeError):
    """The workers cannot start: what they run could not be made. The message gives the reason."""


@dataclass(frozen=True)
class Death:
    """The answer for a task whose worker died.

    certain: the worker died on its own. If not, others died at the same time, and any one's task may be the cause.
    """

    how: str
    certain: bool = True


@dataclass
class _Worker:
    slot: int  # index of its maker
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: int | None = None  # index of the task it is working on


def run_tasks(
    makers: Sequence[MakeFunction], tasks: Sequence[Any], on_start: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[int, Any]]:
    """Yields (index of the task, result or Death), in the order of completion.

    makers: picklable; each gets a process, which calls its maker once and applies the function it returns to one task
    after another. on_start: called with the index of each task before a worker gets it.

    Tasks start in their order. A result waits in its worker until the caller has dealt with the one before it, so that
    memory never holds more than one result per worker. An exception of the function ends its process. Raises
    WorkerError if a maker raises, or ends its process twice in a row. Leaving the iterator, also by an exception or
    Ctrl-C, ends the processes; so does the death of this process.
    """
    waiting = deque(range(len(tasks)))
    failed_starts = 0  # in a row
    pool: list[_Worker] = []

    def busy() -> int:
        return sum(worker.task is not None for worker in pool)

    def assign(worker: _Worker) -> None:
        if waiting:
            on_start(waiting[0])
            worker.task = waiting.popleft()
            with suppress(OSError):  # it has died, which the wait for its answer will notice
                worker.connection.send(tasks[worker.task])

    try:
        while waiting or busy():
            free = deque(sorted(set(range(len(makers))) - {worker.slot for worker in pool}))
            while free and len(pool) < len(waiting) + busy():
                slot = free.popleft()
                pool.append(_start(slot, makers[slot]))
            for connection in wait([worker.connection for worker in pool]):
                worker = next(w for w in pool if w.connection is connection)
                try:
                    outcome, value = worker.connection.recv()
                except (EOFError, OSError):
                    pool.remove(worker)
                    how = _death(worker)
                    if not worker.ready:
                        failed_starts += 1
                        if failed_starts == _FAILED_STARTS:
                            raise WorkerError(f"a worker process {how} while it started") from None
                    elif worker.task is not None:
                        yield worker.task, Death(f"its worker process {how}")
                    continue
                if outcome == "broken":
                    raise WorkerError(value)
                finished, worker.ready, worker.task, failed_starts = worker.task, True, None, 0
                if finished is not None:
                    yield finished, value  # before the next task, which may bring down the whole run
                assign(worker)
    finally:
        for worker in pool:
            worker.process.kill()
        for worker in pool:
            worker.process.join()
            worker.connection.close()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def _start(slot: int, make: MakeFunction) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, make), daemon=True)
    with environment(ONE_THREAD):
        process.start()
    theirs.close()  # so that the worker's death ends the pipe
    return _Worker(slot, process, ours)


def _serve(connection: Connection, make: MakeFunction) -> None:
    """Runs in the worker: makes the function, then answers each task, until the other end closes."""
    # Ctrl-C and a scheduler's SIGTERM reach the whole process group; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()
    try:
        function = make()
    except Exception as error:
        connection.send(("broken", f"{type(error).__name__}: {error}"))
        return
    connection.send(("ready", None))
    with suppress(EOFError, BrokenPipeError):  # the parent is gone
        while True:
            connection.send(("done", function(connection.recv())))


def die_with_parent() -> None:
    """Ends this process when its parent is killed; else it would keep memory and GPU that the next run needs."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _death(worker: _Worker) -> str:
    worker.process.join()
    worker.connection.close()
    code = worker.process.exitcode or 0
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Sets environment variables that child processes inherit, for the time of the `with` block."""
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
