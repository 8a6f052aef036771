"""Work on files that nobody vouches for, in a process of its own: bounded memory and file size, ended when it takes too
long. A decoder that crashes takes this process along, and the server goes on.

What the process answers is bytes, never a pickle: were it taken over by what it decodes, its answer could not run
anything here.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from seds.errors import SedsError
from seds.system.threads import ONE_THREAD
from seds.system.workers import die_with_parent, environment

MB = 1 << 20
_START_S = 180.0  # libraries and a model may come from a slow disk
_POLITENESS = 5  # of its scheduling, so that searches go first

_STARTING = threading.Lock()  # the environment that a process inherits is this whole process's

OnProgress = Callable[[float], None]  # the share that is done
Handler = Callable[[dict[str, Any], OnProgress], bytes]
MakeHandler = Callable[[], Handler]


class InvalidInputError(SedsError, ValueError):
    """The work's own verdict on what it was given (it raised a ValueError); the message is for a person."""


class SandboxError(SedsError, RuntimeError):
    """No answer: the process died, took too long, could not start, or failed otherwise."""


class Sandbox:
    """One process that does one task at a time. It starts with the first, and again after whatever ended it.

    build       picklable; called in the process, gives what is applied to each task (a dict that JSON can say)
    memory_mb   what it may take beyond what it has when built
    file_mb     size of the largest file it may write; 0: none
    """

    def __init__(self, build: MakeHandler, memory_mb: int, file_mb: int = 0) -> None:
        self._build, self._memory_mb, self._file_mb = build, memory_mb, file_mb
        self._turn = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._closed = False

    def run(self, task: dict[str, Any], seconds: float, report: OnProgress = lambda _: None) -> bytes:
        """The answer to a task; waits for those before it. Raises InvalidInputError, SandboxError."""
        with self._turn:
            try:
                connection = self._started()
                connection.send_bytes(json.dumps(task).encode())
                return self._answer(connection, seconds, report)
            except (EOFError, OSError) as error:
                raise SandboxError(f"its process {self._end()}" if self._process else str(error)) from None

    def close(self) -> None:
        """End the process, whatever it does."""
        self._closed = True
        while not self._turn.acquire(timeout=0.1):  # whoever has the turn loses the process, or has yet to start it
            self._kill()
        try:
            self._kill()
            self._end()
        finally:
            self._turn.release()

    def _started(self) -> Connection:
        if self._closed:
            raise SandboxError("the server is closing")
        if self._process is not None and not self._process.is_alive():
            self._end()
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            arguments = (theirs, self._build, self._memory_mb, self._file_mb)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            with _STARTING, environment(ONE_THREAD):
                process.start()
            self._process, self._connection = process, ours
            theirs.close()  # so that the process's death ends the pipe
            self._answer(ours, _START_S, lambda _: None)
        return self._connection

    def _answer(self, connection: Connection, seconds: float, report: OnProgress) -> bytes:
        until = time.monotonic() + seconds
        while connection.poll(max(0.0, until - time.monotonic())):
            message = connection.recv_bytes()
            kind, body = message[:1], message[1:]
            if kind == b"p":
                report(float(body))
            elif kind == b"r":
                return body
            elif kind == b"v":
                raise InvalidInputError(body.decode(errors="replace"))
            else:
                if kind == b"s":  # it could not start
                    self._end()
                raise SandboxError(body.decode(errors="replace"))
        self._end()
        raise SandboxError(f"it took more than {seconds:g} s")

    def _kill(self) -> None:
        process = self._process  # another thread may forget it meanwhile
        if process is not None:
            process.kill()

    def _end(self) -> str:
        """Kill and forget the process. How it ended."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is None or connection is None:
            return "is gone"
        process.join(1)  # where it died by itself, of what
        process.kill()
        process.join()
        connection.close()
        code = process.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _serve(connection: Connection, build: MakeHandler, memory_mb: int, file_mb: int) -> None:
    """The process's life: build, then an answer to each task, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()
    os.nice(_POLITENESS)
    try:
        task = build()
        confine(memory_mb, file_mb)
    except Exception as error:
        connection.send_bytes(f"s{type(error).__name__}: {error}".encode(errors="replace"))
        return
    connection.send_bytes(b"r")
    with suppress(EOFError, BrokenPipeError):
        while True:
            asked = json.loads(connection.recv_bytes())
            connection.send_bytes(_attempt(task, asked, lambda share: connection.send_bytes(f"p{share}".encode())))


def _attempt(task: Handler, asked: dict[str, Any], report: OnProgress) -> bytes:
    try:
        return b"r" + task(asked, report)
    except MemoryError:
        return b"vit needs more memory than it may take"
    except ValueError as error:
        return b"v" + str(error).encode(errors="replace")
    except Exception as error:
        return b"x" + f"{type(error).__name__}: {error}".encode(errors="replace")


def confine(memory_mb: int, file_mb: int) -> None:
    """Bound this process: memory beyond what it has, size of the files it writes; no core dump."""
    # RLIMIT_DATA counts what is written to, where RLIMIT_AS would count all that libraries only reserve.
    status = Path("/proc/self/status").read_text()
    has = int(next(line for line in status.splitlines() if line.startswith("VmData:")).split()[1]) * 1024
    _lower(resource.RLIMIT_DATA, has + memory_mb * MB)
    _lower(resource.RLIMIT_FSIZE, file_mb * MB)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
