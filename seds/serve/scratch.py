"""A folder for temporary files that does not outlive its server, however that ends."""

from __future__ import annotations

import os
import shutil
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
        try_lock(descriptor)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(descriptor)


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
