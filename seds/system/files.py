"""Files that appear whole or not at all, and digests of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from seds.errors import SedsError


class EngineError(SedsError, RuntimeError):
    """What lies with the machine and not with a video: the run stops. The message says where and what to do next."""


class StorageError(EngineError):
    """A folder that cannot be written: full, read-only, over quota, or on a file system without locks."""

    def __init__(self, folder: object, error: OSError) -> None:
        super().__init__(
            f"{folder} cannot be written: {error.strerror or error}. Finished work is kept. "
            "Free some space or make the folder writable, then run the same command again"
        )


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` to write to; at the end it takes the place of `path`, complete and on the disk.

    Where the body or the disk fails, `path` stays as it was. Missing folders are made. Raises StorageError for an
    OSError.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.partial")  # two processes may write the same file
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        descriptor = os.open(temporary, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # or a power cut could leave the name with nothing behind it
        finally:
            os.close(descriptor)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(path.parent, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole (atomic_write). Raises StorageError."""
    with atomic_write(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole (atomic_write). Raises StorageError."""
    write_bytes(path, text.encode())


def digest(value: Any) -> str:
    """sha256 (hex) of a value that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
