"""Files that appear whole or not at all, and digests of what they hold."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from seds.errors import SedsError


class EngineError(SedsError, RuntimeError):
    """What lies with the machine and not with a video: the run stops. The message says where and what to do next."""


class StorageError(EngineError, OSError):
    """A folder that cannot be written: full, read-only, over quota, or on a file system without locks."""

    def __init__(self, folder: object, error: OSError) -> None:
        super().__init__(
            f"{folder} cannot be written: {error.strerror or error}. Finished work is kept. "
            "Free some space or make the folder writable, then run the same command again"
        )


@contextmanager
def storage_errors(folder: Path) -> Iterator[None]:
    """An OSError inside becomes a StorageError that names the folder."""
    try:
        yield
    except StorageError:  # of a folder further in
        raise
    except OSError as error:
        raise StorageError(folder, error) from error


@contextmanager
def atomic_write(path: Path, sync: bool = True) -> Iterator[Path]:
    """A temporary file beside `path` to write to; at the end it takes the place of `path`, complete and on the disk.

    Where the body or the disk fails, `path` stays as it was. Missing folders are made. Its permissions are the umask's,
    whoever writes it: safetensors would let nobody else read it. A link, such as DVC's into its cache, is replaced and
    not followed. sync: wait for the disk (about 10 ms), which only what can easily be made again does without. Raises
    StorageError for an OSError.
    """
    temporary = path.with_name(f"{path.name}.{uuid4().hex}.partial")  # two processes may write the same file
    try:
        with storage_errors(path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)
            if sync:
                _sync(temporary)  # or a power cut could leave the name with nothing behind it
            temporary.replace(path)
            if sync:
                _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder beside `folder` to fill; at the end it takes the place of `folder`, complete.

    Where the body fails, `folder` stays as it was. For one process at a time: what another left that was killed is
    removed. Raises StorageError where the folder cannot be made.
    """
    temporary = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    with storage_errors(folder.parent):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        shutil.rmtree(folder, ignore_errors=True)
        with storage_errors(folder.parent):
            temporary.replace(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(path: Path, content: bytes, sync: bool = True) -> None:
    """Write a file whole (atomic_write). Raises StorageError."""
    with atomic_write(path, sync) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file whole (atomic_write). Raises StorageError."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON for people to read, whole (atomic_write). Raises StorageError."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _sync(path: Path) -> None:
    """Wait until the disk has a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest(value: Any) -> str:
    """sha256 (hex) of a value that JSON can say."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """sha256 (hex) of a file's content. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
