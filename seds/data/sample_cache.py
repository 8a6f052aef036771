"""Hands and windows of a corpus, prepared once and mapped: what a run reads instead of computing it again.

    <scratch>/<settings and code>/<rows and shards>.safetensors     one for the videos of a split in a pose shard

The folder stands for the rules and the code of seds.data.samples, the file's name for the rows and for the shards they
were made from, as DVC knows these (seds.data.mapped.FileState): what is found under its name is right, and a change of
any makes another. Such a file appears whole or not at all. RGB features stay in their shards; the file says where.

Per frame 396 bytes, so 2 GB for How2Sign. All processes of a machine share these pages, and the system takes back those
that it needs; what a process has of its own is a table of the videos.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from mmap import mmap
from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds.config import SampleRules
from seds.data import samples
from seds.data.mapped import FileState, Location, MappedError, file_state, locations, open_map, view
from seds.data.samples import Sample, Video
from seds.shards import ShardError, ShardReader
from seds.system.code_version import code_version
from seds.system.files import digest
from seds.system.locks import lock
from seds.tensorfile import TensorFileError, open_tensors, write_tensors

_SCHEMA = "seds-prepared-1"
_BY_FRAME, _BY_WINDOW = ("left", "right", "body", "raw_frames"), ("starts", "nearest")
_FIELDS = (*_BY_FRAME, *_BY_WINDOW)
_FEATURES = "<f2"
_OPEN = 128  # prepared files and shards that stay mapped; each holds a file descriptor, of which 1024 are common
# Of a video: its first frame and number of frames in the tensors of its file, the same of windows; of its RGB features
# the shard (number in the file's list), offset, rows and width.
_PLACE = ("frame", "frames", "window", "windows", "shard", "offset", "rows", "width")


@dataclass(frozen=True)
class _Job:
    """A file that is wanted: rows of the manifest, and their positions in it."""

    path: Path
    at: np.ndarray  # int64 [videos]
    rows: pd.DataFrame
    shards: list[tuple[Path, FileState]]  # of their RGB features


@dataclass(frozen=True)
class _Part:
    """A file that is there."""

    path: Path
    state: FileState
    tensors: dict[str, Location]
    places: np.ndarray  # int64 [videos, _PLACE]
    at: np.ndarray  # as of _Job
    shards: list[tuple[Path, FileState]]


class Videos(Sequence[Video]):
    """Videos of a manifest, in its order, put together of mapped files when asked for: some microseconds each.

    widths: int64 [videos], features of an RGB window.
    """

    def __init__(self, rows: pd.DataFrame, parts: Sequence[_Part]) -> None:
        self._ids, self._sentences, self._texts = (rows[c].tolist() for c in ("video_id", "sentence_id", "text"))
        self._parts = parts
        self._part = np.empty(len(rows), np.int64)
        self._places = np.empty((len(rows), len(_PLACE)), np.int64)
        for number, part in enumerate(parts):
            self._part[part.at], self._places[part.at] = number, part.places
        self.widths = self._places[:, _PLACE.index("width")]
        self._prepared = lru_cache(_OPEN)(self._open_part)
        self._features = lru_cache(_OPEN)(self._open_features)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, i: int) -> Video: ...

    @overload
    def __getitem__(self, i: slice) -> list[Video]: ...

    def __getitem__(self, i: int | slice) -> Video | list[Video]:
        if isinstance(i, slice):
            return [self[at] for at in range(*i.indices(len(self)))]
        part = int(self._part[i])
        frame, frames, window, windows, shard, offset, rows, width = self._places[i].tolist()
        whole = self._prepared(part)
        arrays: dict[str, Any] = {name: whole[name][frame : frame + frames] for name in _BY_FRAME}
        arrays |= {name: whole[name][window : window + windows] for name in _BY_WINDOW}
        arrays["features"] = view(self._features(part, shard), Location(_FEATURES, (rows, width), offset))
        return Video(**arrays, video_id=self._ids[i], sentence_id=self._sentences[i], text=self._texts[i])

    def _open_part(self, number: int) -> dict[str, np.ndarray]:
        part = self._parts[number]
        file = open_map(part.path, part.state)
        return {name: view(file, tensor) for name, tensor in part.tensors.items()}

    def _open_features(self, number: int, shard: int) -> mmap:
        return open_map(*self._parts[number].shards[shard])


def open_videos(
    rows: pd.DataFrame,
    pose: ShardReader,
    rgb: ShardReader,
    rules: SampleRules,
    scratch: Path,
    workers: int | None = None,
) -> Videos:
    """The videos of usable rows of a manifest, prepared where they are not yet.

    scratch: where prepared files stay. workers: threads;
    None = one a core. Several processes may ask for the same at once: one prepares it, the others wait. Raises
    ShardError for a missing or damaged shard, StorageError where `scratch` cannot be written.
    """
    settings = [_SCHEMA, code_version(samples.make_sample), rules.model_dump()]
    jobs = _jobs(rows, pose, rgb, scratch / digest(settings)[:16])
    if not all(_found(job) for job in jobs):
        name = pose.folder.name
        with lock(scratch / f"{name}.lock", f"preparation of {name}"):
            missing = [job for job in jobs if not _found(job, tqdm.write)]  # another process may have been first

            def prepare(job: _Job) -> int:
                write_tensors(job.path, *_make(job, pose, rgb, rules))
                return len(job.rows)

            total = sum(len(job.rows) for job in missing)
            with (
                ThreadPoolExecutor(workers or os.cpu_count()) as pool,  # numpy lets go of the interpreter
                tqdm(total=total, desc="prepare", unit="video", disable=None) as bar,
            ):
                for count in pool.map(prepare, missing):
                    bar.update(count)
            size = sum(job.path.stat().st_size for job in missing)
            tqdm.write(
                f"prepared {total} videos of {name}: {size / 1e9:.2f} GB stay in {scratch}, to be removed at will"
            )
    return Videos(rows, [_open(job) for job in jobs])


def _jobs(rows: pd.DataFrame, pose: ShardReader, rgb: ShardReader, folder: Path) -> list[_Job]:
    """One for each split and pose shard: a split's files serve whoever reads it, alone or with others."""
    jobs = []
    columns = ["video_id", "width", "height", "rgb_shard"]
    for (_, name), at in rows.reset_index(drop=True).groupby(["split", "pose_shard"], sort=False).indices.items():
        part = rows.iloc[at][columns]
        shards = [(rgb.folder / shard, _state(rgb, shard)) for shard in sorted(set(part["rgb_shard"]))]
        made_of = [name, vars(_state(pose, name)), [(path.name, vars(state)) for path, state in shards]]
        identity = digest([made_of, part.to_numpy().tolist()])[:32]
        jobs.append(_Job(folder / f"{identity}.safetensors", at, part, shards))
    return jobs


def _state(reader: ShardReader, shard: str) -> FileState:
    try:
        return file_state(reader.folder / shard)
    except FileNotFoundError:
        made_by = f"dvc repro {reader.kind}@{reader.folder.name}"
        raise ShardError(f"{reader.folder / shard} not found; make it with: {made_by}") from None


def _make(
    job: _Job, pose: ShardReader, rgb: ShardReader, rules: SampleRules
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The tensors and the header of a file."""
    names = [path.name for path, _ in job.shards]
    headers = [locations(path) for path, _ in job.shards]
    rgb_window = int(rgb.metadata["window"])
    prepared: list[Sample] = []
    places = []
    frame = window = 0
    for row in job.rows.itertuples():
        (keypoints,), (starts,) = pose.read(row.video_id, ("keypoints",)), rgb.read(row.video_id, ("starts",))
        one = samples.make_sample(keypoints, row.width, row.height, starts, rgb_window, rules)
        shard = names.index(row.rgb_shard)
        features = headers[shard].get(f"features/{row.video_id}")
        if features is None or features.dtype != _FEATURES or len(features.shape) != 2:
            raise ShardError(
                f"{rgb.folder / names[shard]}: features of {row.video_id!r} are {features}, not float16 [V,D]"
            )
        places.append((frame, len(one.left), window, len(one.starts), shard, features.offset, *features.shape))
        prepared.append(one)
        frame, window = frame + len(one.left), window + len(one.starts)
    tensors = {name: np.concatenate([getattr(one, name) for one in prepared]) for name in _FIELDS}
    header = {"schema": _SCHEMA, "identity": job.path.stem}
    return tensors | {"places": np.array(places, np.int64)}, header


def _found(job: _Job, tell: Callable[[str], None] = lambda _: None) -> bool:
    """Whether the file of a job is there and whole."""
    try:
        _open(job)
    except FileNotFoundError:
        return False
    except (TensorFileError, MappedError) as error:
        tell(f"{error}; prepared again")
        return False
    return True


def _open(job: _Job) -> _Part:
    """Raises FileNotFoundError, TensorFileError, MappedError."""
    state = file_state(job.path)
    open_tensors(job.path, "file of prepared videos", _SCHEMA, identity=job.path.stem)  # refuses any other
    tensors = locations(job.path)
    places = view(open_map(job.path, state), tensors["places"]).copy()
    return _Part(job.path, state, tensors, places, job.at, job.shards)
