"""The hands and windows of a corpus, computed once and kept in mapped files, which every run reads from then on.

    <scratch>/<rules and code>/<rows and shards>.safetensors     one for the videos of a split in a pose shard

The folder's name stands for the rules and the code of seds.data.samples, the file's for the rows of the manifest and
the shards that they were computed from, which are told from others as DVC does (seds.data.mapped.FileState). So a file
that exists under its name is valid, and a change of any of these makes another file. RGB features stay in their shards;
the file says where they are.

A frame takes 396 bytes, so How2Sign takes 2 GB. All processes of a machine share the mapped pages, and the system takes
them back when it needs memory; a process itself holds only a table of the videos.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
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

log = logging.getLogger(__name__)

_SCHEMA = "seds-prepared-2"
_BY_FRAME, _BY_WINDOW = ("left", "right", "body", "raw_frames"), ("starts", "nearest")
_SLICES = "slices"
# The columns of _SLICES, a row a video: its first frame and number of frames in the tensors of the file, its first
# window and number of windows; of its RGB features the shard (its number in the file's list), offset, rows and width.
_COLUMNS = ("frame", "frames", "window", "windows", "shard", "offset", "rows", "width")
_FEATURES = "<f2"
# A video of a corpus of which only keypoints exist has a window, the nearest of all, without a feature.
_NO_SHARD, _NO_STARTS, _NO_FEATURES = -1, np.zeros(1, np.int32), np.zeros((1, 0), _FEATURES)
_OPEN_FILES = 128  # that stay mapped; each holds a file descriptor, and a limit of 1024 of these is common


@dataclass(frozen=True)
class _CacheFile:
    """A file of the cache, whether it exists or not: the rows of the manifest that it is for.

    positions: int64 [videos], of the rows among all that are asked for. rgb_shards: the shards of their RGB features.
    """

    path: Path
    positions: np.ndarray
    rows: pd.DataFrame
    rgb_shards: list[tuple[Path, FileState]]


@dataclass(frozen=True)
class _Contents:
    """What is in a file of the cache. slices: int64 [videos, _COLUMNS]."""

    file: _CacheFile
    state: FileState
    tensors: dict[str, Location]
    slices: np.ndarray


class Videos(Sequence[Video]):
    """Videos of a manifest, in its order. Each is put together of mapped files when asked for, in some microseconds.

    widths: int64 [videos], features of an RGB window.
    """

    def __init__(self, rows: pd.DataFrame, contents: Sequence[_Contents]) -> None:
        self._ids, self._sentences, self._texts = (rows[c].tolist() for c in ("video_id", "sentence_id", "text"))
        self._contents = contents
        self._file_of = np.empty(len(rows), np.int64)
        self._slices = np.empty((len(rows), len(_COLUMNS)), np.int64)
        for number, each in enumerate(contents):
            self._file_of[each.file.positions], self._slices[each.file.positions] = number, each.slices
        self.widths = self._slices[:, _COLUMNS.index("width")]
        self._tensors = lru_cache(_OPEN_FILES)(self._open_tensors)
        self._features = lru_cache(_OPEN_FILES)(self._open_features)

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, i: int) -> Video: ...

    @overload
    def __getitem__(self, i: slice) -> list[Video]: ...

    def __getitem__(self, i: int | slice) -> Video | list[Video]:
        if isinstance(i, slice):
            return [self[position] for position in range(*i.indices(len(self)))]
        file = int(self._file_of[i])
        frame, frames, window, windows, shard, offset, rows, width = self._slices[i].tolist()
        tensors = self._tensors(file)
        arrays: dict[str, Any] = {name: tensors[name][frame : frame + frames] for name in _BY_FRAME}
        arrays |= {name: tensors[name][window : window + windows] for name in _BY_WINDOW}
        if shard == _NO_SHARD:
            arrays["features"] = _NO_FEATURES
        else:
            arrays["features"] = view(self._features(file, shard), Location(_FEATURES, (rows, width), offset))
        return Video(**arrays, video_id=self._ids[i], sentence_id=self._sentences[i], text=self._texts[i])

    def _open_tensors(self, number: int) -> dict[str, np.ndarray]:
        contents = self._contents[number]
        mapping = open_map(contents.file.path, contents.state)
        return {name: view(mapping, location) for name, location in contents.tensors.items()}

    def _open_features(self, number: int, shard: int) -> mmap:
        return open_map(*self._contents[number].file.rgb_shards[shard])


def open_videos(
    rows: pd.DataFrame,
    pose: ShardReader,
    rgb: ShardReader,
    rules: SampleRules,
    scratch: Path,
    workers: int | None = None,
) -> Videos:
    """The videos of usable rows of a manifest; those that are not in the cache yet are computed.

    scratch: the folder of the cache. workers: threads; None = one a core. When several processes ask for the same, one
    computes it and the others wait. Raises ShardError for a missing or damaged shard, StorageError when `scratch`
    cannot be written.
    """
    settings = [_SCHEMA, code_version(samples.make_sample), rules.model_dump()]
    files = _cache_files(rows, pose, rgb, scratch / digest(settings)[:16])
    if not all(_is_valid(file) for file in files):
        corpus = pose.folder.name
        with lock(scratch / f"{corpus}.lock", f"computing hand crops and windows of {corpus}"):
            missing = [
                file for file in files if not _is_valid(file, log_damage=True)
            ]  # another process may have been first

            def fill(file: _CacheFile) -> int:
                header = {"schema": _SCHEMA, "identity": file.path.stem}
                write_tensors(file.path, _compute(file, pose, rgb, rules), header)
                return len(file.rows)

            total = sum(len(file.rows) for file in missing)
            with (
                ThreadPoolExecutor(workers or os.cpu_count()) as pool,  # threads, as numpy releases the interpreter
                tqdm(total=total, desc="crops and windows", unit="video", disable=None) as bar,
            ):
                for count in pool.map(fill, missing):
                    bar.update(count)
            size = sum(file.path.stat().st_size for file in missing)
            log.info(
                "%s: hand crops and windows of %d videos are kept in %s (%.2f GB); they may be deleted at any time",
                corpus, total, scratch, size / 1e9,
            )  # fmt: skip
    return Videos(rows, [_read_contents(file) for file in files])


def _cache_files(rows: pd.DataFrame, pose: ShardReader, rgb: ShardReader, folder: Path) -> list[_CacheFile]:
    """One for each split and pose shard, so that a split is found whether it is read alone or with others."""
    files = []
    columns = ["video_id", "width", "height", "rgb_shard"]
    groups = rows.reset_index(drop=True).groupby(["split", "pose_shard"], sort=False).indices
    for (_, pose_shard), positions in groups.items():
        part = rows.iloc[positions][columns]
        rgb_shards = [(rgb.folder / shard, _shard_state(rgb, shard)) for shard in sorted(set(part["rgb_shard"]) - {""})]
        made_from = [
            pose_shard,
            vars(_shard_state(pose, pose_shard)),
            [(path.name, vars(state)) for path, state in rgb_shards],
        ]
        identity = digest([made_from, part.to_numpy().tolist()])[:32]
        files.append(_CacheFile(folder / f"{identity}.safetensors", positions, part, rgb_shards))
    return files


def _shard_state(reader: ShardReader, shard: str) -> FileState:
    try:
        return file_state(reader.folder / shard)
    except FileNotFoundError:
        command = f"dvc repro {reader.kind}@{reader.folder.name}"
        raise ShardError(f"{reader.folder / shard} not found; make it with: {command}") from None


def _compute(file: _CacheFile, pose: ShardReader, rgb: ShardReader, rules: SampleRules) -> dict[str, np.ndarray]:
    """The tensors of a file. Raises ShardError."""
    names = [path.name for path, _ in file.rgb_shards]
    features_of = [locations(path) for path, _ in file.rgb_shards]
    computed: list[Sample] = []
    slices = []
    frame = window = 0
    for row in file.rows.itertuples():
        (keypoints,) = pose.read(row.video_id, ("keypoints",))
        if row.rgb_shard:
            (starts,), rgb_window = rgb.read(row.video_id, ("starts",)), int(rgb.metadata["window"])
        else:
            starts, rgb_window = _NO_STARTS, rules.window
        sample = samples.make_sample(keypoints, row.width, row.height, starts, rgb_window, rules)
        place = (_NO_SHARD, 0, *_NO_FEATURES.shape)
        if row.rgb_shard:
            shard = names.index(row.rgb_shard)
            features = features_of[shard].get(f"features/{row.video_id}")
            if features is None or features.dtype != _FEATURES or len(features.shape) != 2:
                raise ShardError(
                    f"{rgb.folder / names[shard]}: features of {row.video_id!r} are {features}, not float16 [V,D]"
                )
            place = (shard, features.offset, *features.shape)
        slices.append((frame, len(sample.left), window, len(sample.starts), *place))
        computed.append(sample)
        frame, window = frame + len(sample.left), window + len(sample.starts)
    tensors = {name: np.concatenate([getattr(sample, name) for sample in computed]) for name in _BY_FRAME + _BY_WINDOW}
    return tensors | {_SLICES: np.array(slices, np.int64)}


def _is_valid(file: _CacheFile, log_damage: bool = False) -> bool:
    """Whether a file exists and is whole. log_damage: log what is wrong with one that is not."""
    try:
        _read_contents(file)
    except FileNotFoundError:
        return False
    except (TensorFileError, MappedError) as error:
        if log_damage:
            log.warning("%s; computing it again", error)
        return False
    return True


def _read_contents(file: _CacheFile) -> _Contents:
    """Raises FileNotFoundError, TensorFileError, MappedError."""
    state = file_state(file.path)
    open_tensors(file.path, "file of prepared videos", _SCHEMA, identity=file.path.stem)  # refuses any other
    tensors = locations(file.path)
    return _Contents(file, state, tensors, view(open_map(file.path, state), tensors[_SLICES]).copy())
