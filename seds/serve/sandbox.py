"""A process of its own for work on untrusted files: bounded memory and file size, killed when it takes too long. If a
decoder crashes, it takes this process down and not the server.

The process answers in bytes, never in pickles: even if a file took it over, its answer could not run code here.
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
_NICENESS = 5  # searches go first

_STARTING = threading.Lock()  # a child inherits the environment of the whole process, so one starts at a time

OnProgress = Callable[[float], None]  # called with the share of the work that is done, 0 to 1
Handler = Callable[[dict[str, Any], OnProgress], bytes]  # does a task, in the sandbox
MakeHandler = Callable[[], Handler]


class InvalidInputError(SedsError, ValueError):
    """The task rejected its input (it raised a ValueError); the message is for a person."""


class SandboxError(SedsError, RuntimeError):
    """No answer: the process died, took too long, could not start, or failed in another way."""


class Sandbox:
    """One process that does one task at a time. It is started for the first task, and again after it has ended.

    make_handler: picklable; called in the process, returns the function that does the tasks. memory_mb: what the
    process may allocate beyond what it has by then. file_mb: size of the largest file it may write; 0 for none.
    """

    def __init__(self, make_handler: MakeHandler, memory_mb: int, file_mb: int = 0) -> None:
        self._make_handler, self._memory_mb, self._file_mb = make_handler, memory_mb, file_mb
        self._turn = threading.Lock()
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._closed = False

    def run(self, task: dict[str, Any], seconds: float, on_progress: OnProgress = lambda _: None) -> bytes:
        """The handler's answer to a task (a dict of JSON values); waits for the tasks before it.

        Raises InvalidInputError, SandboxError.
        """
        with self._turn:
            try:
                connection = self._started()
                connection.send_bytes(json.dumps(task).encode())
                return self._answer(connection, seconds, on_progress)
            except (EOFError, OSError) as error:
                raise SandboxError(f"its process {self._end()}" if self._process else str(error)) from None

    def close(self) -> None:
        """Kill the process, whatever it is doing."""
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
            raise SandboxError("the server is shutting down")
        if self._process is not None and not self._process.is_alive():
            self._end()
        if self._connection is None:
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            arguments = (theirs, self._make_handler, self._memory_mb, self._file_mb)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            with _STARTING, environment(ONE_THREAD):
                process.start()
            self._process, self._connection = process, ours
            theirs.close()  # so that the process's death closes the pipe
            self._answer(ours, _START_S, lambda _: None)
        return self._connection

    def _answer(self, connection: Connection, seconds: float, on_progress: OnProgress) -> bytes:
        deadline = time.monotonic() + seconds
        while connection.poll(max(0.0, deadline - time.monotonic())):
            message = connection.recv_bytes()
            kind, body = message[:1], message[1:]
            if kind == b"p":
                on_progress(float(body))
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
        process = self._process  # another thread may set it to None meanwhile
        if process is not None:
            process.kill()

    def _end(self) -> str:
        """Kill and forget the process. Returns how it ended."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is None or connection is None:
            return "is gone"
        process.join(1)  # if it died by itself, its exit code says how
        process.kill()
        process.join()
        connection.close()
        code = process.exitcode or 0
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def _serve(connection: Connection, make_handler: MakeHandler, memory_mb: int, file_mb: int) -> None:
    """What the process does: make the handler, then answer each task until the other end closes.

    A message's first byte is its kind: p progress, r result, v invalid input, s failed start, x any other failure.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=die_with_parent, daemon=True).start()
    os.nice(_NICENESS)
    try:
        handler = make_handler()
        limit_resources(memory_mb, file_mb)
    except Exception as error:
        connection.send_bytes(f"s{type(error).__name__}: {error}".encode(errors="replace"))
        return
    connection.send_bytes(b"r")
    with suppress(EOFError, BrokenPipeError):
        while True:
            task = json.loads(connection.recv_bytes())
            connection.send_bytes(_attempt(handler, task, lambda share: connection.send_bytes(f"p{share}".encode())))


def _attempt(handler: Handler, task: dict[str, Any], on_progress: OnProgress) -> bytes:
    try:
        return b"r" + handler(task, on_progress)
    except MemoryError:
        return b"vit needs more memory than is allowed"
    except ValueError as error:
        return b"v" + str(error).encode(errors="replace")
    except Exception as error:
        return b"x" + f"{type(error).__name__}: {error}".encode(errors="replace")


def limit_resources(memory_mb: int, file_mb: int) -> None:
    """Limit this process: memory beyond what it has now, size of the files it writes; no core dump."""
    # RLIMIT_DATA counts memory that is written to; RLIMIT_AS would count all that libraries only reserve.
    status = Path("/proc/self/status").read_text()
    used = int(next(line for line in status.splitlines() if line.startswith("VmData:")).split()[1]) * 1024
    _lower(resource.RLIMIT_DATA, used + memory_mb * MB)
    _lower(resource.RLIMIT_FSIZE, file_mb * MB)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))
