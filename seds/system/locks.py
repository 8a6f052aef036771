"""Locks between processes, including those of other machines on a shared file system.

The kernel releases a lock when the process that holds it ends, however it ends, so no lock is ever stale.
"""

from __future__ import annotations

import fcntl
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seds.system.files import storage_errors

log = logging.getLogger(__name__)


@contextmanager
def lock(path: Path, what: str, shared: bool = False) -> Iterator[None]:
    """Hold the lock of a file inside the `with` block, alone or with other holders of a shared lock.

    If another process holds it, prints which and waits for it to end: a worker may outlive the command that started it.
    what: the work that is locked, such as "pose of demo", for that message. Raises StorageError.
    """
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    with storage_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        with storage_errors(path.parent):
            if not try_lock(descriptor, kind):
                holder = os.pread(descriptor, 1000, 0).decode(errors="replace") or "an unknown process"
                log.info(
                    "%s is already running: %s. Waiting for it to end; to stop it, kill that process", what, holder
                )
                fcntl.flock(descriptor, kind)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def try_lock(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    """Lock an open file unless another process holds it. Returns whether it is locked now."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
