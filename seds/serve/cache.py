"""A folder of files that can be made again, limited in size: the least recently used are deleted first.

Each file is made once, however many threads ask for it at a time, and appears only when it is complete.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from seds.serve.sandbox import InvalidInputError
from seds.system.files import atomic_write

_IN_USE_S = 60.0  # a file used so recently may still be being sent, and stays
_MAX_FAILURES = 1000  # remembered, so that a file that cannot be made is not tried at every request


@dataclass
class _FileLock:
    """Held by the thread that makes a file while others wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Cache:
    """Files in `folder`, at most `limit_mb` in total. For one process at a time; it uses the files of earlier ones."""

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self._folder, self._limit = folder, limit_mb << 20
        self._lock = threading.Lock()
        self._locks: dict[str, _FileLock] = {}
        self._failures: OrderedDict[str, str] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob("*.partial"):
            partial.unlink(missing_ok=True)

    def get(self, key: object, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file for a key (a JSON value), made by `make(path)` if it does not exist.

        Raises what `make` raises; an InvalidInputError is remembered and raised again without another try.
        """
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:40] + suffix
        path = self._folder / name
        with self._lock:
            file_lock = self._locks.setdefault(name, _FileLock())
            file_lock.users += 1
        try:
            with file_lock.lock:
                if name in self._failures:
                    raise InvalidInputError(self._failures[name])
                if not self._touch(path):
                    self._make(path, make)
        finally:
            with self._lock:
                file_lock.users -= 1
                if not file_lock.users:
                    del self._locks[name]
        return path

    def _make(self, path: Path, make: Callable[[Path], None]) -> None:
        try:
            with atomic_write(path, sync=False) as temporary:  # a file lost in a power cut is made again
                make(temporary)
        except InvalidInputError as error:
            with self._lock:
                self._failures[path.name] = str(error)
                while len(self._failures) > _MAX_FAILURES:
                    self._failures.popitem(last=False)
            raise
        self._trim()

    def _touch(self, path: Path) -> bool:
        """Whether it exists; then it counts as used now. Its mtime stays: browsers identify it by that (ETag)."""
        try:
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        except FileNotFoundError:
            return False
        return True

    def _trim(self) -> None:
        with self._lock:
            files = []
            for entry in os.scandir(self._folder):
                with suppress(FileNotFoundError):
                    stat = entry.stat()
                    files.append((stat.st_atime, stat.st_size, entry.path))
            total = sum(size for _, size, _ in files)
            for used, size, path in sorted(files):
                if total <= self._limit or used > time.time() - _IN_USE_S:
                    break
                Path(path).unlink(missing_ok=True)
                total -= size
