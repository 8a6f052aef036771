"""Keypoints that others extracted -> an imported corpus (seds.extraction.imported): a table and pose shards, no video.

Whatever the source, its keypoints become the 133 joints of COCO-WholeBody, x and y in px of the frame. A joint that the
source lacks has confidence 0. One video is in memory at a time, besides the shard that is being filled; what cannot be
read is listed, and the rest goes on.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds import tables
from seds.corpora.pickles import PickleError
from seds.corpora.prepare import distinct, person_box, read_annotations
from seds.corpora.readers import folder as own_videos
from seds.corpora.readers import sheets
from seds.extraction import imported
from seds.imports.files import VideoFiles, open_source, without_suffix
from seds.imports.joints import KeypointsError
from seds.imports.shard_writer import ShardWriter
from seds.imports.signer import choose_signer
from seds.imports.source import People, Source
from seds.system.files import atomic_folder
from seds.video.boxes import format_box
from seds.video.cuts import cut_bounds

SHARD_VIDEOS = 250
_PATHS = ("path", "file", "video", "video_id")  # columns that may say which keypoints are meant, in this order
_NUMBERS = ("fps", "width", "height")
_MOST = {"fps": 1000.0, "width": 65535.0, "height": 65535.0}
_FAR_INSIDE = 0.02  # coordinates within this share of the frame are no px of it


@dataclass(frozen=True)
class Given:
    """What holds where neither a file nor the table says it: frame rate, and width and height in px."""

    fps: float | None = None
    width: int | None = None
    height: int | None = None


@dataclass
class Imported:
    """What an import leaves. layouts: videos by what their points were taken for; unused: files that no row names."""

    videos: pd.DataFrame = field(default_factory=pd.DataFrame)  # VIDEOS
    layouts: Counter[str] = field(default_factory=Counter)
    several: int = 0  # videos that show several people
    unused: int = 0


def import_keypoints(
    name: str,
    source: Path,
    output: Path,
    table: Path | None = None,
    given: Given = Given(),
    shard_videos: int = SHARD_VIDEOS,
) -> Imported:
    """Write `output`, whole or not at all: videos.parquet and pose/, which the pipeline reads as corpus `name`.

    source: a folder with a file of keypoints, or a folder of OpenPose's frames, for each video. table: its rows say
    what is signed in them (seds.corpora.readers.folder), or the folder of a corpus that `seds add` recognises, whose
    reader says it; None = the table in `source`, and if there is none, each file is a row without a text. A row whose
    keypoints are missing, unreadable or do not fit is in the table with its reason. Raises KeypointsError where there
    are no keypoints, TableError for an unusable table, AddError for a folder that is no corpus, FileExistsError if
    `output` exists.
    """
    if output.exists():
        raise FileExistsError(f"{output} exists; remove it, or import under another name")
    if not source.is_dir():
        raise KeypointsError(f"{source} is no folder; give the one that has a file of keypoints for each video")
    table = table or _own_table(source)
    files = VideoFiles.below(source, *([table] if table else []))
    if not files.paths:
        raise KeypointsError(
            f"{source} has no keypoints; expected *.pose, *.pose.zst, *.pkl, *.npy, *.npz or *.parquet files, or "
            "folders of OpenPose's *_keypoints.json"
        )
    if table is None:
        records = [_record({"path": str(path)}, files) for path in files.paths]
    elif table.is_dir() and not sheets.exists(table):
        records = _records_of_corpus(table, files)
    else:
        records = _records(table, files)
    annotations = own_videos.rows(records, source, table or source)
    further = [_further(record) for record in records]
    done = Imported(unused=len(set(map(str, files.paths)) - {said["keypoints"] for said in further}))
    with atomic_folder(output) as folder:
        writer = ShardWriter("pose", folder / "pose", {"source": "imported"}, shard_videos)
        opened = _Opened(source)
        rows = []
        ids, repeated = distinct(annotations["video_id"].tolist())
        for i, row in enumerate(tqdm(annotations.to_dict("records"), "import", unit="video", disable=None)):
            row["video_id"] = ids[i]
            if i in repeated and not row["problem"]:
                row["problem"] = f"row {i + 1} has the same video_id as row {repeated[i] + 1}, {ids[repeated[i]]!r}"
                row["status"] = "duplicate"
            rows.append(_import_row(row, further[i], given, opened, writer, done))
        videos = pd.DataFrame(rows, columns=[*_KEPT, *_FOUND]).assign(dataset=name, path="", start_s=None, end_s=None)
        done.videos = tables.check(videos, tables.VIDEOS, f"the videos of {name}")
        tables.write(done.videos, tables.VIDEOS, folder / imported.VIDEOS)
        writer.finish()
    return done


def _own_table(source: Path) -> Path | None:
    """The table in a folder of keypoints, such as the one that `seds export keypoints` writes there."""
    return next((source / name for name in own_videos.TABLES if (source / name).is_file()), None)


def _records(table: Path, files: VideoFiles) -> list[dict[str, str]]:
    """The rows of a table, with the `path` of their keypoints or the `problem` why there is none. Raises TableError."""
    optional = (*_PATHS, *own_videos.OPTIONAL, *_NUMBERS, "text_original")
    names = {column: lambda name: bool(files.find(name)) for column in _PATHS}
    records = [_record(record, files) for record in sheets.read(table, ("text",), list(dict.fromkeys(optional)), names)]
    if records and not any(column in record for record in records for column in _PATHS):
        raise tables.TableError(f"{table}: no column {', '.join(_PATHS)}, which say whose keypoints a row is about")
    return records


def _records_of_corpus(folder: Path, files: VideoFiles) -> list[dict[str, str]]:
    """The rows of a corpus as its reader has them. Keypoints that are called by a row's id are those of its clip, those
    that are called as its file are of the whole file. Raises AddError, TableError.
    """
    from seds.add.recognise import recognise  # which imports this folder

    found = recognise(folder)
    names = [name for name in own_videos.OPTIONAL if name in tables.ANNOTATIONS.columns]
    records = []
    for row in read_annotations(found.dataset, found.folder).to_dict("records"):
        record = {
            name: "" if pd.isna(row[name]) else str(row[name]) for name in (*names, "path", "text_original", "problem")
        }
        record["text"] = row["text"]
        if not record["problem"]:
            del record["problem"]
        ids = (row["video_id"].replace(":", other) for other in (":", "_", "-", ""))  # which Windows does not allow
        if own := next((name for name in ids if files.find(name)), None):
            record |= {"path": own, "start_s": "", "end_s": ""}
        records.append(_record(record, files))
    return records


def _record(record: dict[str, str], files: VideoFiles) -> dict[str, str]:
    """The row with the file of its keypoints, under `keypoints`, "" where there is none."""
    given = [record[column].strip() for column in _PATHS if record.get(column, "").strip()]
    found = next((paths for name in given if (paths := files.find(name))), [])
    if len(found) > 1:  # of a folder for each split, the split's own
        found = [path for path in found if record.get("split", "").strip() in path.parts] or found
    path = found[0].as_posix() if len(found) == 1 else ""
    further = {"path": path or (given[0] if given else ""), "keypoints": path}
    if not record.get("video_id", "").strip() and not any(record.get(bound) for bound in ("start_s", "end_s")):
        further["video_id"] = without_suffix(further["path"])
    if len(found) > 1:
        names = " and ".join(map(str, found[:2]))
        further["problem"] = record.get("problem") or f"{given[0]!r} may mean {names}; give the path"
    return record | further


def _further(record: Mapping[str, str]) -> dict[str, Any]:
    """What a row says that ANNOTATIONS has no place for: its keypoints, text_original, width and height."""
    said: dict[str, Any] = {name: record.get(name, "") for name in ("keypoints", "text_original")}
    said["named"] = record["path"]
    for name in ("width", "height"):
        text = record.get(name, "").strip()
        said[name] = int(text) if text.isdecimal() and len(text) < 6 else None
        if text and not said[name]:
            said["problem"] = f"{name} {text!r}: expected a number of px"
    return said


class _Opened:
    """Opens the sources in a folder; the last one stays open, since several cuts may share it."""

    def __init__(self, root: Path) -> None:
        self._root, self._path = root, ""
        self._source: Source | None = None

    def __call__(self, path: str) -> Source:
        """Raises KeypointsError, PickleError, OSError."""
        if self._source is None or path != self._path:
            self._source = None
            self._source, self._path = open_source(self._root / path), path
        return self._source


# Columns of VIDEOS: as the table has them, and as they are found.
_KEPT = ("video_id", "sentence_id", "split", "text", "text_original", "language", "signer", "bbox", "pair", "contrast")
_FOUND = ("frames", "fps", "width", "height", "sha256", "status", "detail")


def _import_row(
    row: dict[str, Any], said: Mapping[str, Any], given: Given, opened: _Opened, writer: ShardWriter, done: Imported
) -> dict[str, Any]:
    """Add a row's keypoints to the shards; returns its row of VIDEOS, whose sha256 is that of the keypoints."""
    kept = {name: row[name] for name in _KEPT} | {"text_original": said["text_original"] or row["text_original"]}
    unread = kept | {"frames": 0, "fps": 0.0, "width": 0, "height": 0, "sha256": ""}
    if problem := row["problem"] or said.get("problem", ""):
        return unread | {"status": row.get("status", "refused"), "detail": problem}
    if not said["keypoints"]:
        return unread | {"status": "missing", "detail": f"no file of keypoints is called {said['named']!r}"}
    try:
        source = opened(said["keypoints"])
        keypoints, shown, remark = _read(source, row, said, given)
    except Exception as error:  # a damaged or hostile file may break any step, in any way
        known = isinstance(error, KeypointsError | PickleError | ValueError)
        reason = str(error) if known and str(error) else f"{type(error).__name__} {error}"
        return unread | {"status": "unreadable", "detail": f"{said['keypoints']}: {reason}"}
    kept["bbox"] = format_box(person_box(row["bbox"], shown["width"], shown["height"]))
    done.layouts[source.layout] += 1
    done.several += bool(remark)
    writer.header = {"estimator": source.layout, **writer.header}  # of the first
    writer.add(row["video_id"], {"keypoints": keypoints}, len(keypoints), len(keypoints), shown)
    sha256 = hashlib.sha256(keypoints.tobytes()).hexdigest()
    return kept | shown | {"frames": len(keypoints), "sha256": sha256, "status": "ok", "detail": remark}


def _read(
    source: Source, row: Mapping[str, Any], said: Mapping[str, Any], given: Given
) -> tuple[np.ndarray, dict[str, Any], str]:
    """float32 [T,133,3] of the signer in px; fps, width and height; a remark if several people are shown."""
    shown = _shown(source, row, said, given)
    fps, width, height = shown["fps"], shown["width"], shown["height"]
    start, end = cut_bounds(row["start_s"], row["end_s"])
    first = 0 if start is None else math.ceil(start * fps - 1e-6)
    last = source.frames if end is None else min(source.frames, math.ceil(end * fps - 1e-6))
    if first >= last:
        raise KeypointsError(
            f"no frame from {row['start_s']:g} to {row['end_s']:g} s; it ends at {source.frames / fps:.2f} s"
        )
    people = source.people(first, last)
    if source.unit:
        people = _scaled(people, np.array([width, height, 1], np.float32))
    box = person_box(row["bbox"], width, height)
    keypoints, several = choose_signer(people, box)
    _check_px(keypoints, width, height)
    remark = ""
    if several:
        whose = "the largest was taken" if box is None else "the one nearest to its bbox was taken"
        remark = f"several people: in {several:,} of {len(keypoints):,} frames, of whom {whose}"
    return np.ascontiguousarray(keypoints, np.float32), shown, remark


def _shown(source: Source, row: Mapping[str, Any], said: Mapping[str, Any], given: Given) -> dict[str, Any]:
    """fps, width and height: of the file, else of the table, else what was given. Raises KeypointsError."""
    by_row = {"fps": None if math.isnan(row["fps"]) else row["fps"], "width": said["width"], "height": said["height"]}
    shown = {name: getattr(source, name) or by_row[name] or getattr(given, name) for name in _NUMBERS}
    if shown["fps"] is None:
        raise KeypointsError("no frame rate in it; give --fps, or a column fps")
    if shown["width"] is None or shown["height"] is None:
        raise KeypointsError("no frame size in it; give --size, such as 1280x720, or columns width and height")
    for name, most in _MOST.items():
        if not 0 < shown[name] <= most:
            raise KeypointsError(f"{name} is {shown[name]:g}, expected a number up to {most:g}")
    return {"fps": float(shown["fps"]), "width": int(shown["width"]), "height": int(shown["height"])}


def _scaled(people: People, scale: np.ndarray) -> People:
    return people * scale if isinstance(people, np.ndarray) else [frame * scale for frame in people]


def _check_px(keypoints: np.ndarray, width: int, height: int) -> None:
    """Raises KeypointsError for coordinates that cannot be px of the frame, such as those around the shoulders."""
    found = keypoints[keypoints[..., 2] > 0, :2]
    if not len(found):
        return
    low, high = np.percentile(found, (5, 95), axis=0)
    if (high - low).max() < _FAR_INSIDE * max(width, height) or (high < 0).any() or (low > (width, height)).any():
        raise KeypointsError(
            f"x from {low[0]:.3g} to {high[0]:.3g} and y from {low[1]:.3g} to {high[1]:.3g} are no px of a frame of "
            f"{width}x{height}; coordinates that were normalised cannot be used"
        )
