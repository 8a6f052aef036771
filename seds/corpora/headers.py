"""What video files say of themselves, and their content's hash: read once, then remembered.

To open and hash every file of a large corpus takes from minutes to an hour; to see that none has changed takes seconds.
What was read is kept in a Parquet file under the path, the size and the time of modification (of a folder of frames:
those of its files). That file may be removed at any time, and one that is damaged or of another version counts for
nothing.
"""

from __future__ import annotations

import gc
import hashlib
import inspect
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
from seds.video import frame_folder, video_file

SAVE_EVERY_S = 30.0  # so that a run which is stopped keeps what it read
_AT_A_TIME = 100  # files, between two collections of garbage

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class File:
    """A video as the annotations name it. fps: of a folder of frames, which cannot say it itself; else None."""

    path: str
    fps: float | None = None


@dataclass(frozen=True)
class Header:
    """What a video's bytes decide. frames 0, size 0 px and sha256 "" where they cannot be read."""

    status: str  # ok, missing, unreadable
    detail: str = ""  # why not
    frames: int = 0
    fps: float = 0.0
    width: int = 0
    height: int = 0
    sha256: str = ""


_REMEMBERED = pa.DataFrameSchema(
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
        "sha256": pa.Column(str),
    },
    strict=True,
    coerce=True,
)


def memory_of(dataset: str) -> Path:
    """Where a corpus's headers are remembered, from the top of the repository."""
    return Path("work/headers") / f"{dataset}.parquet"


def read_headers(files: Sequence[File], memory: Path | None = None, workers: int | None = None) -> list[Header]:
    """The header of each file, in their order, `workers` at a time (None: two a core).

    memory: the Parquet file to remember them in, made where it is not there; None remembers nothing. What an operating
    system's error hid (a lost network folder, no permission) is not remembered.
    """
    known = _recall(memory)
    stamps: dict[File, str] = {}
    headers: dict[File, Header] = {}

    def look(file: File) -> tuple[File, str, Header]:
        try:
            stamp = _stamp(file.path)
        except (OSError, ValueError) as error:  # ValueError: no path at all, such as one with a NUL
            return file, "", _absent(file.path, error)
        known_stamp, header = known.get(file, ("", None))
        return (file, stamp, header) if header and known_stamp == stamp else (file, *_read(file, stamp))

    wanted = list(dict.fromkeys(files))  # several cuts may share a file
    saved, fresh = time.monotonic(), 0
    # Threads: hashing, reading and libav all release the interpreter's lock.
    with (
        ThreadPoolExecutor(workers or 2 * (os.cpu_count() or 1)) as pool,
        tqdm(total=len(wanted), desc="headers", unit="file", disable=None) as bar,
    ):
        try:
            for first in range(0, len(wanted), _AT_A_TIME):
                for file, stamp, header in pool.map(look, wanted[first : first + _AT_A_TIME]):
                    headers[file], stamps[file] = header, stamp
                    fresh += known.get(file, ("", None))[1] is not header
                    bar.update()
                # A decoded frame and its side data refer to each other, and hold a decoder's buffers until collected.
                gc.collect(1)
                if memory and fresh and time.monotonic() - saved > SAVE_EVERY_S:
                    _remember(memory, known, stamps, headers, wanted)
                    saved, fresh = time.monotonic(), 0
        finally:
            if memory and fresh:
                _remember(memory, known, stamps, headers, wanted)
    return [headers[file] for file in files]


def _read(file: File, stamp: str) -> tuple[str, Header]:
    """(stamp, header) of a file that is there; the stamp is "" where the result is not to be remembered."""
    try:
        sha256 = video.content_hash(file.path)
        info = video.probe(file.path, file.fps)
    except video.VideoError as error:
        return stamp, Header("unreadable", str(error))
    except OSError as error:
        return "", Header("unreadable", f"{file.path}: {error.strerror or error}")
    return stamp, Header("ok", "", info.frames, info.fps, info.width, info.height, sha256)


def _stamp(path: str) -> str:
    """What changes with a file's content: size and time of modification; of a folder, a hash of those of its files.

    Raises OSError, and ValueError for what cannot be a path.
    """
    found = os.stat(path)
    if stat.S_ISREG(found.st_mode):
        return f"{found.st_size} {found.st_mtime_ns}"
    if not stat.S_ISDIR(found.st_mode):
        raise OSError("neither a file nor a folder")  # a pipe would be waited for, for ever
    digest = hashlib.sha256()
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            try:
                inside = entry.stat()
                digest.update(f"{entry.name}\0{inside.st_size} {inside.st_mtime_ns}\0".encode(errors="surrogateescape"))
            except OSError as error:  # a link to nowhere
                digest.update(f"{entry.name}\0{error.errno}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def _absent(path: str, error: OSError | ValueError) -> Header:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return Header("missing", f"{path}: no such file")
    if isinstance(error, PermissionError):
        return Header("unreadable", f"{path}: {error.strerror}")
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return Header("missing", f"{path[:200]}: {reason}")


def _recall(memory: Path | None) -> dict[File, tuple[str, Header]]:
    """What this version of the code has read before: file -> (stamp, header)."""
    if memory is None or not memory.is_file():
        return {}
    try:
        table = tables.check(pd.read_parquet(memory), _REMEMBERED, memory)
    except Exception as error:  # whatever is wrong with it, it can be made again; pyarrow raises several kinds
        log.warning("%s is damaged and counts for nothing (%s)", memory, error)
        return {}
    known = {}
    for row in table[table["version"] == _version()].drop(columns="version").to_dict("records"):
        given, path, stamp = row.pop("given_fps"), row.pop("path"), row.pop("stamp")
        known[File(path, None if pd.isna(given) else given)] = (stamp, Header(**row))
    return known


def _remember(
    memory: Path,
    known: dict[File, tuple[str, Header]],
    stamps: dict[File, str],
    headers: dict[File, Header],
    wanted: Sequence[File],
) -> None:
    """Write what is known of the wanted files. Of two processes that write, one wins, and both files are whole."""
    rows = []
    for file in wanted:
        stamp, header = (stamps[file], headers[file]) if stamps.get(file) else known.get(file, ("", None))
        if stamp and header:
            rows.append({"path": file.path, "given_fps": file.fps, "stamp": stamp, **asdict(header)})
    table = pd.DataFrame(rows, columns=[name for name in _REMEMBERED.columns if name != "version"])
    tables.write(table.assign(version=_version()), _REMEMBERED, memory)


@cache
def _version() -> str:
    """Changes with the code that reads headers and with the library that it reads them by."""
    sources = "".join(map(inspect.getsource, (video, video_file, frame_folder)))
    return hashlib.sha256(f"{av.__version__}\0{sources}".encode()).hexdigest()[:16]
