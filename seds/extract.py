"""The extraction engine of pose and RGB: videos in, shards and their index out.

Videos are spread over worker processes; results are gathered into shards of consecutive videos, so that the files are
the same bytes whatever the number of workers. Finished shards land in a scratch folder, named by a fingerprint of what
determines them, so a run that was stopped goes on where it was. What cannot be extracted is listed, and ends nothing.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import math
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds import shards, tables
from seds.workers import Failure, run_tasks


@dataclass(frozen=True)
class Video:
    """A readable row of the videos table; `start_s` and `end_s` are None where the file's own bounds are meant."""

    video_id: str
    path: str
    start_s: float | None
    end_s: float | None
    frames: int
    fps: float
    width: int
    height: int
    sha256: str


@dataclass(frozen=True)
class Extraction:
    """What an extractor makes of a video: tensors by field, number of frames decoded, length of the main tensor."""

    tensors: dict[str, np.ndarray]
    frames: int
    rows: int


class Extractor(Protocol):
    """The work on one video, whose result depends on that video alone. What it raises is that video's failure."""

    def __call__(self, video: Video) -> Extraction: ...


def extract(
    *,
    kind: str,
    videos: pd.DataFrame,
    build: Callable[[], Extractor],
    settings: Mapping[str, str],
    output: Path,
    scratch: Path,
    shard_videos: int,
    workers: int,
) -> pd.DataFrame:
    """Extract the `ok` videos of a VIDEOS table into `output`: shards and index. Returns the SHARD_INDEX table.

    kind          "pose" or "rgb", as the shards' headers have it
    build         makes the extractor, once in each worker process; picklable: a partial of a module's function
    settings      what determines the result (estimator, sha256 of weights, ...); goes into the shards' headers
    scratch       finished shards wait in `scratch/<kind>/<fingerprint>/` until all are there
    shard_videos  videos a shard, consecutive in the table
    workers       number of processes

    A video that raises, or twice ends its worker, becomes a row of status "failed". Raises `workers.WorkerError` when
    the extractor itself cannot be built. Ctrl-C keeps the finished shards.
    """
    wanted = [_video(row) for row in videos[videos["status"] == "ok"].to_dict("records")]
    chunks = [wanted[i : i + shard_videos] for i in range(0, len(wanted), shard_videos)]
    folder = scratch / kind / _digest([dict(settings), _code_version(build), *(_identity(chunk) for chunk in chunks)])
    unfinished = [i for i in range(len(chunks)) if not _is_finished(folder, i)]
    try:
        _fill(folder, kind, chunks, unfinished, build, settings, workers)
    except KeyboardInterrupt:
        done = sum(_is_finished(folder, i) for i in range(len(chunks)))
        tqdm.write(f"{kind}: stopped; {done} of {len(chunks)} shards wait in {folder}; the same command continues")
        raise
    index = _collect(folder, len(chunks), output)
    failed = index.loc[index["status"] == "failed", "video_id"].tolist()
    tqdm.write(f"{kind}: {len(index) - len(failed)} of {len(index)} videos, {index['frames'].sum()} frames in {output}")
    if failed:
        tqdm.write(f"{kind}: {len(failed)} of {len(index)} failed, reasons in {shards.INDEX}: {', '.join(failed)}")
    return index


def _fill(
    folder: Path,
    kind: str,
    chunks: Sequence[Sequence[Video]],
    unfinished: Sequence[int],
    build: Callable[[], Extractor],
    settings: Mapping[str, str],
    workers: int,
) -> None:
    """Make the unfinished shards in the scratch folder."""
    tasks = [(i, video) for i in unfinished for video in chunks[i]]
    total = sum(video.frames for chunk in chunks for video in chunk)
    results: dict[int, dict[str, Extraction | Failure]] = {i: {} for i in unfinished}
    with tqdm(
        total=total,
        initial=total - sum(video.frames for _, video in tasks),
        desc=kind,
        unit=" frames",
        mininterval=0.5 if sys.stderr.isatty() else 30,  # in a log file every refresh stays
    ) as bar:
        for task, result in run_tasks(build, [video for _, video in tasks], workers):
            i, video = tasks[task]
            if isinstance(result, Failure):
                tqdm.write(f"{kind}: {video.video_id} failed: {result.detail}")
            results[i][video.video_id] = result
            if len(results[i]) == len(chunks[i]):
                _land(folder, i, kind, chunks[i], results.pop(i), settings)
            bar.update(video.frames)


def _land(
    folder: Path,
    i: int,
    kind: str,
    chunk: Sequence[Video],
    results: Mapping[str, Extraction | Failure],
    settings: Mapping[str, str],
) -> None:
    """Write a shard, then its rows of the index, whose presence says that the shard is finished."""
    rows, tensors = [], {}
    for video in chunk:
        result = results[video.video_id]
        if isinstance(result, Failure):
            row = {"shard": "", "frames": 0, "rows": 0, "status": "failed", "detail": result.detail}
        else:
            tensors[video.video_id] = result.tensors
            row = {"shard": _name(i), "frames": result.frames, "rows": result.rows, "status": "ok", "detail": ""}
        rows.append({"video_id": video.video_id, **row})
    if tensors:
        shown = {v.video_id: {"fps": v.fps, "width": v.width, "height": v.height} for v in chunk}
        header = {**settings, "fingerprint": _digest([dict(settings), _identity(chunk)]), "videos": json.dumps(shown)}
        shards.write_shard(folder / _name(i), kind, tensors, header)
    tables.write(pd.DataFrame(rows), tables.SHARD_INDEX, _rows_file(folder, i))


def _collect(folder: Path, count: int, output: Path) -> pd.DataFrame:
    """Move the finished shards into the output folder, its index last, and remove the scratch folder."""
    parts = [pd.read_parquet(_rows_file(folder, i)) for i in range(count)]
    index = tables.check(
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(tables.SHARD_INDEX.columns)),
        tables.SHARD_INDEX,
        output / shards.INDEX,
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / shards.INDEX).unlink(missing_ok=True)  # while shards change, there is no index to believe
    for stale in output.glob("shard-*.safetensors"):
        stale.unlink()
    for name in sorted(set(index["shard"]) - {""}):
        shutil.move(folder / name, output / name)
    shards.write_index(output, index)
    shutil.rmtree(folder, ignore_errors=True)
    return index


def _name(i: int) -> str:
    return f"shard-{i:05d}.safetensors"


def _rows_file(folder: Path, i: int) -> Path:
    return folder / f"shard-{i:05d}.parquet"


def _is_finished(folder: Path, i: int) -> bool:
    if not _rows_file(folder, i).is_file():
        return False
    rows = tables.read(_rows_file(folder, i), tables.SHARD_INDEX, "the same command")
    return all(not name or (folder / name).is_file() for name in rows["shard"])


def _video(row: Mapping[str, Any]) -> Video:
    values = {field.name: row[field.name] for field in fields(Video)}
    for cut in ("start_s", "end_s"):
        if values[cut] is None or math.isnan(values[cut]):
            values[cut] = None
    return Video(**values)


def _identity(chunk: Sequence[Video]) -> list[dict[str, Any]]:
    """What of the videos determines a shard: their content, wherever the files lie."""
    return [{key: value for key, value in asdict(video).items() if key != "path"} for video in chunk]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def _code_version(build: Callable[[], Extractor]) -> str:
    """sha256 over the sources of `build`'s module and all it imports of this package, directly or not.

    A version number kept by hand would be forgotten; a hash of the whole package would throw away days of extraction
    for an edit elsewhere.
    """
    function = build.func if isinstance(build, partial) else build
    waiting, seen = [Path(inspect.getfile(function)), Path(__file__)], set[Path]()
    while waiting:
        path = waiting.pop().resolve()
        if path not in seen:
            seen.add(path)
            waiting += _imports(path)
    return _digest(sorted((path.name, path.read_text(encoding="utf-8")) for path in seen))


def _imports(path: Path) -> list[Path]:
    """The files of this package that a source file imports, inside its functions too."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    package = Path(__file__).parent
    files = [package.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names]
    return [file for file in files if file.is_relative_to(package) and file.is_file()]
