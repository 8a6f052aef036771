"""A folder for temporary files that does not outlive its server, however that ends."""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seds.system.locks import try_lock

_PREFIX, _LOCK = "clips-", "lock"


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """A new folder below `parent`, readable by its owner alone. Folders of servers that were killed are removed first:
    the kernel has released their locks.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for other in parent.glob(f"{_PREFIX}*"):
        _remove_if_abandoned(other)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # waits a moment where `in_use` looks at it
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


def in_use(parent: Path) -> Iterator[Path]:
    """The folders below `parent` that servers of this user have now, of this machine or another with the same disk."""
    for folder in sorted(parent.glob(f"{_PREFIX}*")):
        try:
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
        except OSError:  # it is being created or removed, or another user's
            continue
        try:
            found = folder.stat()
            own = found.st_uid == os.geteuid() and not stat.S_IMODE(found.st_mode) & 0o077
            held = own and not try_lock(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
        if held:
            yield folder


def _remove_if_abandoned(folder: Path) -> None:
    try:
        descriptor = os.open(folder / _LOCK, os.O_RDWR)
    except OSError:  # it is being created
        return
    try:
        if try_lock(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)
