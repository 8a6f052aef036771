"""What the headers of video files say, and the hash of their content, cached between runs.

Opening and hashing every file of a large corpus takes from minutes to an hour; checking that none has changed takes
seconds. So the headers are kept in a Parquet file, under each file's path, size and time of modification (for a folder
of frames: those of its files). The cache may be removed at any time. A damaged one, or one of another version of the
code, is ignored.
"""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import stat
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import av
import pandas as pd
import pandera.pandas as pa
from tqdm import tqdm

from seds import tables, video
from seds.system.code_version import file_version

SAVE_EVERY_S = 30.0  # so that a run that is stopped keeps what it has read
_FILES_PER_COLLECTION = 100  # between two garbage collections

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class File:
    """A video as the annotations name it. fps: of a folder of frames, which cannot say it itself; None for a file."""

    path: str
    fps: float | None = None


@dataclass(frozen=True)
class Header:
    """What a video's bytes decide. If they cannot be read: frames 0, size 0 px and sha256 ""."""

    status: str  # ok, missing, unreadable
    detail: str = ""  # why not; if ok, what a user should know of the file
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    begin_s: float = 0.0
    sha256: str = ""


_CACHE = pa.DataFrameSchema(
    {
        "version": pa.Column(str),
        "path": pa.Column(str),
        "given_fps": pa.Column(float, nullable=True),
        "stamp": pa.Column(str),
        "status": pa.Column(str),
        "detail": pa.Column(str),
        "frames": pa.Column(int),
        "fps": pa.Column(float),
        "width": pa.Column(int),
        "height": pa.Column(int),
        "begin_s": pa.Column(float),
        "sha256": pa.Column(str),
    },
    strict=True,
    coerce=True,
)


def cache_path(dataset: str) -> Path:
    """The file of a corpus's cached headers, from the top of the repository."""
    return Path("work/headers") / f"{dataset}.parquet"


def read_headers(files: Sequence[File], cache_file: Path | None = None, workers: int | None = None) -> list[Header]:
    """The header of each file, in their order, `workers` at a time (None: two per core).

    cache_file: the Parquet file to cache them in, created if it is missing; None = no cache. A file that cannot be read
    because of an error of the operating system, such as a lost network folder or missing permission, is not cached.
    """
    cached = _load_cache(cache_file)
    stamps: dict[File, str] = {}
    headers: dict[File, Header] = {}

    def look_up(file: File) -> tuple[File, str, Header]:
        try:
            stamp = _stamp(file.path)
        except (OSError, ValueError) as error:  # ValueError: not a path at all, such as one with a NUL
            return file, "", _absent(file.path, error)
        cached_stamp, header = cached.get(file, ("", None))
        return (file, stamp, header) if header and cached_stamp == stamp else (file, *_read(file, stamp))

    distinct = list(dict.fromkeys(files))  # several cuts may share a file
    saved_at, unsaved = time.monotonic(), 0
    # Threads suffice: hashing, reading and libav all release the interpreter's lock.
    with (
        ThreadPoolExecutor(workers or 2 * (os.cpu_count() or 1)) as pool,
        tqdm(total=len(distinct), desc="headers", unit="file", disable=None) as bar,
    ):
        try:
            for first in range(0, len(distinct), _FILES_PER_COLLECTION):
                for file, stamp, header in pool.map(look_up, distinct[first : first + _FILES_PER_COLLECTION]):
                    headers[file], stamps[file] = header, stamp
                    unsaved += cached.get(file, ("", None))[1] is not header
                    bar.update()
                # A decoded frame and its side data refer to each other, and hold a decoder's buffers until collected.
                gc.collect(1)
                if cache_file and unsaved and time.monotonic() - saved_at > SAVE_EVERY_S:
                    _save_cache(cache_file, cached, stamps, headers, distinct)
                    saved_at, unsaved = time.monotonic(), 0
        finally:
            if cache_file and unsaved:
                _save_cache(cache_file, cached, stamps, headers, distinct)
    return [headers[file] for file in files]


def _read(file: File, stamp: str) -> tuple[str, Header]:
    """(stamp, header) of an existing file. The stamp is "" if the header must not be cached."""
    try:
        sha256 = video.content_hash(file.path)
        info = video.probe(file.path, file.fps)
    except video.VideoError as error:
        return stamp, Header("unreadable", str(error))
    except OSError as error:
        return "", Header("unreadable", f"{file.path}: {error.strerror or error}")
    remarks = "; ".join(info.remarks)
    return stamp, Header("ok", remarks, info.frames, info.fps, info.width, info.height, info.begin_s, sha256)


def _stamp(path: str) -> str:
    """Changes with a file's content: its size and time of modification; for a folder, a hash of those of its files.

    Raises OSError, and ValueError for what cannot be a path.
    """
    status = os.stat(path)
    if stat.S_ISREG(status.st_mode):
        return f"{status.st_size} {status.st_mtime_ns}"
    if not stat.S_ISDIR(status.st_mode):
        raise OSError("neither a file nor a folder")  # opening a pipe would wait forever
    digest = hashlib.sha256()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            try:
                inside = entry.stat()
                digest.update(f"{entry.name}\0{inside.st_size} {inside.st_mtime_ns}\0".encode(errors="surrogateescape"))
            except OSError as error:  # a dangling link
                digest.update(f"{entry.name}\0{error.errno}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _absent(path: str, error: OSError | ValueError) -> Header:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Header("missing", f"{path}: no such file")
    if isinstance(error, PermissionError):
        return Header("unreadable", f"{path}: {error.strerror}")
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return Header("missing", f"{path[:200]}: {reason}")


def _load_cache(cache_file: Path | None) -> dict[File, tuple[str, Header]]:
    """What this version of the code has read before: file -> (stamp, header)."""
    if cache_file is None or not cache_file.is_file():
        return {}
    try:
        table = tables.check(pd.read_parquet(cache_file), _CACHE, cache_file)
    except Exception as error:  # pyarrow raises several kinds; whatever is wrong, the cache can be made again
        log.warning("%s is damaged and is ignored (%s)", cache_file, error)
        return {}
    cached = {}
    for row in table[table["version"] == _version()].drop(columns="version").to_dict("records"):
        fps, path, stamp = row.pop("given_fps"), row.pop("path"), row.pop("stamp")
        cached[File(path, None if pd.isna(fps) else fps)] = (stamp, Header(**row))
    return cached


def _save_cache(
    cache_file: Path,
    cached: dict[File, tuple[str, Header]],
    stamps: dict[File, str],
    headers: dict[File, Header],
    files: Sequence[File],
) -> None:
    """Write all known headers of `files`. If two processes write at a time, one of the two complete files remains."""
    rows = []
    for file in files:
        stamp, header = (stamps[file], headers[file]) if stamps.get(file) else cached.get(file, ("", None))
        if stamp and header:
            rows.append({"path": file.path, "given_fps": file.fps, "stamp": stamp, **asdict(header)})
    table = pd.DataFrame(rows, columns=[name for name in _CACHE.columns if name != "version"])
    tables.write(table.assign(version=_version()), _CACHE, cache_file)


@cache
def _version() -> str:
    """Changes with the code that reads headers and with the library that it reads them with."""
    return f"{av.__version__} {file_version(Path(video.__file__))[:16]}"
