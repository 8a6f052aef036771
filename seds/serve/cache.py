"""A folder of files that can be made again, bounded in size: the ones not used for longest go first.

Each file is made once, however many ask for it at a time, and is there only when it is whole.
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

_SAFE_S = 60.0  # a file used so recently may be on its way out, and stays
_REFUSALS = 1000  # remembered, so that what cannot be made is not tried at every request


@dataclass
class _Turn:
    """Of those who ask for one file at a time, one makes it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Cache:
    """Files below `folder`, together at most `limit_mb`. One process has it at a time; what others left is used."""

    def __init__(self, folder: Path, limit_mb: int) -> None:
        self._folder, self._limit = folder, limit_mb << 20
        self._lock = threading.Lock()
        self._turns: dict[str, _Turn] = {}
        self._refused: OrderedDict[str, str] = OrderedDict()
        folder.mkdir(parents=True, exist_ok=True)
        for partial in folder.glob("*.partial"):
            partial.unlink(missing_ok=True)

    def get(self, key: object, suffix: str, make: Callable[[Path], None]) -> Path:
        """The file of a key (what JSON can say), made by `make(path)` where it is not there.

        Raises InvalidInputError as `make` does, again without trying again, and what else it raises.
        """
        name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:40] + suffix
        path = self._folder / name
        with self._lock:
            turn = self._turns.setdefault(name, _Turn())
            turn.users += 1
        try:
            with turn.lock:
                if name in self._refused:
                    raise InvalidInputError(self._refused[name])
                if not self._touch(path):
                    self._make(path, make)
        finally:
            with self._lock:
                turn.users -= 1
                if not turn.users:
                    del self._turns[name]
        return path

    def _make(self, path: Path, make: Callable[[Path], None]) -> None:
        try:
            with atomic_write(path, sync=False) as temporary:  # what a power cut takes is made again
                make(temporary)
        except InvalidInputError as error:
            with self._lock:
                self._refused[path.name] = str(error)
                while len(self._refused) > _REFUSALS:
                    self._refused.popitem(last=False)
            raise
        self._trim()

    def _touch(self, path: Path) -> bool:
        """Whether it is there; then it counts as used now. Its time of modification stays: browsers know it by that."""
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
                    found = entry.stat()
                    files.append((found.st_atime, found.st_size, entry.path))
            total = sum(size for _, size, _ in files)
            for used, size, path in sorted(files):
                if total <= self._limit or used > time.time() - _SAFE_S:
                    break
                Path(path).unlink(missing_ok=True)
                total -= size
