"""A pool of spawned processes that outlives the death of any of them.

`concurrent.futures` gives up all work when one worker dies, and native decoders and detectors do die of damaged input.
Here a death is an answer like others, and a fresh process takes the place. What a dead worker's task deserves is for
the caller to say.
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

_STARTS = 2  # failed ones in a row after which there is no use in another

Build = Callable[[], Callable[[Any], Any]]


class WorkerError(SedsError, RuntimeError):
    """The workers cannot start: what they run could not be built. The message holds the reason."""


@dataclass(frozen=True)
class Death:
    """What came of a task whose worker died.

    certain  it died by itself; else others died at the same time, of what may be any one's doing
    """

    how: str
    certain: bool = True


@dataclass
class _Worker:
    slot: int  # which of the builds
    process: SpawnProcess
    connection: Connection
    ready: bool = False
    task: int | None = None  # the one it works on


def run_tasks(
    builds: Sequence[Build], tasks: Sequence[Any], starting: Callable[[int], None] = lambda _: None
) -> Iterator[tuple[int, Any]]:
    """Yields (index of the task, result or Death), in the order of completion.

    builds    picklable; a process for each, which calls it once and applies what it gives to one task after another
    starting  called with the index of each task before a worker gets it

    Tasks start in their order. A result waits in its worker until the one before it is dealt with here, so that memory
    holds no more than one a worker. What the applied function raises ends its process. Raises WorkerError when a build
    raises, or twice in a row ends its process. Leaving the iterator, by an exception or by Ctrl-C too, ends the
    processes; so does the death of this one.
    """
    waiting = deque(range(len(tasks)))
    failed_starts = 0  # in a row
    crew: list[_Worker] = []

    def busy() -> int:
        return sum(worker.task is not None for worker in crew)

    def hand_out(worker: _Worker) -> None:
        if waiting:
            starting(waiting[0])
            worker.task = waiting.popleft()
            with suppress(OSError):  # it died meanwhile, which the wait for its answer will tell
                worker.connection.send(tasks[worker.task])

    try:
        while waiting or busy():
            free = deque(sorted(set(range(len(builds))) - {worker.slot for worker in crew}))
            while free and len(crew) < len(waiting) + busy():
                slot = free.popleft()
                crew.append(_start(slot, builds[slot]))
            for connection in wait([worker.connection for worker in crew]):
                worker = next(w for w in crew if w.connection is connection)
                try:
                    outcome, value = worker.connection.recv()
                except (EOFError, OSError):
                    crew.remove(worker)
                    how = _death(worker)
                    if not worker.ready:
                        failed_starts += 1
                        if failed_starts == _STARTS:
                            raise WorkerError(f"a worker process {how} while it started") from None
                    elif worker.task is not None:
                        yield worker.task, Death(f"its worker process {how}")
                    continue
                if outcome == "broken":
                    raise WorkerError(value)
                finished, worker.ready, worker.task, failed_starts = worker.task, True, None, 0
                if finished is not None:
                    yield finished, value  # before the next task, which may be one that ends us all
                hand_out(worker)
    finally:
        for worker in crew:
            worker.process.kill()
        for worker in crew:
            worker.process.join()
            worker.connection.close()


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


def _start(slot: int, build: Build) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, build), daemon=True)
    with environment(ONE_THREAD):
        process.start()
    theirs.close()  # so that the worker's death ends the pipe
    return _Worker(slot, process, ours)


def _serve(connection: Connection, build: Build) -> None:
    """A worker's life: build, then a result for each task, until the other end closes."""
    # Ctrl-C and a scheduler's warning reach the whole group; the parent ends the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()
    try:
        apply = build()
    except Exception as error:
        connection.send(("broken", f"{type(error).__name__}: {error}"))
        return
    connection.send(("ready", None))
    with suppress(EOFError, BrokenPipeError):  # the parent is gone, and with it whoever wanted this
        while True:
            connection.send(("done", apply(connection.recv())))


def die_with_parent() -> None:
    """A worker whose parent was killed would hold memory and GPU beside those of the next run."""
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
