"""Locks between processes, also of several machines on a shared file system. The kernel gives them up with the process
that holds them, however it dies, so none is ever stale."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from seds.system.files import StorageError


@contextmanager
def lock(path: Path, what: str, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file while this lasts, alone or with other sharers. Where another process holds it, say
    which, and wait for it to end: after a crash of what had started it, it may be at work still. Raises StorageError.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError(path.parent, error) from error
    try:
        try:
            if not try_lock(descriptor, kind):
                holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "a process unknown"
                tqdm.write(f"{what} is at work already: {holder}. Waiting for it to end; to stop it, kill that process")
                fcntl.flock(descriptor, kind)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except OSError as error:
            raise StorageError(path.parent, error) from error
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file if no other process holds it."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
