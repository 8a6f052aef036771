"""Reading keypoints that are kept as arrays: .npy and .npz, pickles as Uni-Sign ships them, Kaggle's Parquet files.

None of these says what its points are or how large the frame is. Points are told by their number; whether coordinates
are shares of the frame or px, by their size; the order of MediaPipe's 543 points, by which of them lie close together.
What was taken them for is in the source's `layout`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from seds.corpora import pickles
from seds.imports.joints import KeypointsError, Layout, mediapipe, openpose, wholebody
from seds.imports.source import People, Source, check_people
from seds.skeleton import JOINTS

SUFFIXES = (".npy", ".npz", ".pkl", ".parquet")
_BYTES = 2**30  # of an array that is not mapped
_SAMPLE = 64  # frames that tell the unit
_SHARE = 2.0  # coordinates of almost all points up to this are shares of the frame
_FACE, _REFINED, _BODY, _HAND = 468, 478, 33, 21  # points of MediaPipe's parts
_HOLISTIC = _FACE + _BODY + 2 * _HAND  # 543
_KAGGLE = ("face", "left", "pose", "right")
_FLAT = 4 * _BODY + 3 * _FACE + 6 * _HAND  # 1,662: a body of x, y, z, visibility; face and hands of x, y, z
_PARQUET_FRAMES = 20_000


def open_array(path: Path) -> Source:
    """Raises KeypointsError for a file that is damaged, too large or of another shape; PickleError, OSError."""
    suffix = path.suffix.lower()
    if suffix == ".npy":
        try:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, SyntaxError, MemoryError) as error:
            raise KeypointsError(f"no readable .npy file of numbers ({error})") from None
        return of_array(array)
    if suffix == ".npz":
        return _of_fields(read_npz(path))
    if suffix == ".pkl":
        return _of_fields(pickles.load(path))
    return _kaggle(path)


def read_npz(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file. Raises KeypointsError for one that is damaged or larger than is read."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _BYTES:
                raise KeypointsError(f"more than {_BYTES // 2**30} GB of arrays")
            return {name.removesuffix(".npy"): _entry(archive, name) for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, EOFError, SyntaxError, MemoryError, NotImplementedError) as error:
        if isinstance(error, KeypointsError):
            raise
        raise KeypointsError(f"no readable .npz file of numbers ({error})") from None


def _entry(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    content = archive.read(name)  # at most what the archive says, which is checked against its bytes
    stream = BytesIO(content)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize != len(content) - stream.tell():
        raise KeypointsError(f"{name}: an array of {shape} {dtype} in {len(content):,} bytes")
    return np.lib.format.read_array(BytesIO(content), allow_pickle=False)


def of_array(array: np.ndarray, scores: np.ndarray | None = None) -> Source:
    """Of an array of one of the known shapes; a third value of a point is its confidence, or depth, as the shape says.

    scores: [T,N] of a [T,N,2] array. Raises KeypointsError.
    """
    if array.dtype.kind not in "fiu" or not array.size:
        raise KeypointsError(f"an array of {array.dtype} {list(array.shape)}, expected numbers")
    if array.ndim == 2 and array.shape[1] == _FLAT:
        return _source(array, mediapipe(("pose", "face", "left", "right"), _FACE, "MediaPipe, 1,662 values"), _flat)
    if array.ndim == 2 and array.shape[1] == 3 * _HOLISTIC:
        array = array.reshape(len(array), _HOLISTIC, 3)
    points = array.shape[-2] if array.ndim >= 3 else 0
    if array.ndim == 3 and points in (_HOLISTIC, _REFINED + _BODY + 2 * _HAND) and array.shape[2] >= 2:
        return _source(array, _holistic(array), _without_confidence)
    if points == JOINTS and array.ndim in (3, 4) and array.shape[-1] in (2, 3):
        if scores is not None and (scores.shape != array.shape[:-1] or scores.dtype.kind not in "fiu"):
            raise KeypointsError(f"keypoints are {list(array.shape)}, scores {list(scores.shape)}")
        return _source(array, wholebody(), partial(_with_confidence, scores=scores))
    if points == 137 and array.ndim in (3, 4) and array.shape[-1] == 3:
        return _source(array, openpose(25), _with_confidence)
    raise KeypointsError(
        f"an array of {list(array.shape)}; expected [T,{_FLAT}], [T,{_HOLISTIC},3] or [T,553,3] of MediaPipe, "
        f"[T,{JOINTS},3] of COCO-WholeBody or [T,137,3] of OpenPose"
    )


def _holistic(array: np.ndarray) -> Layout:
    """In Sem-Lex, with 553 points, the face comes first, then the body. Of 543 two orders are in use."""
    if array.shape[1] != _HOLISTIC:
        return mediapipe(("face", "pose", "left", "right"), _REFINED, "MediaPipe, 553 points, face first")
    sample = np.asarray(array[_spaced(len(array)), :, :2], np.float64)
    sample[(sample == 0).all(-1)] = np.nan
    # The first 33 points are the body, and spread wider than the face that follows, or they are part of that face.
    with np.errstate(invalid="ignore"):
        first, face = (float(np.nanmedian(_spread(part))) for part in (sample[:, :_BODY], sample[:, _BODY:_FACE]))
    if first > 2 * face:
        return mediapipe(("pose", "face", "left", "right"), _FACE, "MediaPipe, 543 points, body first")
    return mediapipe(_KAGGLE, _FACE, "MediaPipe, 543 points, face first")


def _spread(points: np.ndarray) -> np.ndarray:
    """[S] of points [S,N,2]: their standard deviation; NaN where none was found."""
    seen = np.isfinite(points).all(-1).any(1)
    result = np.full(len(points), np.nan)
    result[seen] = np.nanstd(points[seen], axis=1).mean(-1)
    return result if seen.any() else np.zeros(len(points))


def _source(array: np.ndarray, layout: Layout, part: Callable[[np.ndarray, slice], np.ndarray]) -> Source:
    """part: gives [T,P,N,3] x, y, confidence of some frames."""

    def read(first: int, last: int) -> People:
        if array.ndim == 4:
            check_people(array.shape[1], last - first)
        xyc = part(array, slice(first, last))
        return layout.to_wholebody(xyc[:, :, layout.points].astype(np.float32))

    spaced = _spaced(len(array))
    sample = np.concatenate([read(t, t + 1) for t in spaced])
    return Source(layout.name, len(array), None, None, None, _is_unit(sample), read)


def _is_unit(people: np.ndarray) -> bool:
    """Whether coordinates are shares of the frame: of almost all points that were found in [...,133,3]."""
    found = np.abs(people[..., :2][people[..., 2] > 0])
    return bool(found.size) and float(np.percentile(found, 95)) <= _SHARE


def _spaced(frames: int) -> list[int]:
    return np.unique(np.linspace(0, frames - 1, min(frames, _SAMPLE)).astype(int)).tolist()


def _without_confidence(array: np.ndarray, frames: slice) -> np.ndarray:
    """Of [T,N,2+]: what was not found is NaN, or zero."""
    xy = np.asarray(array[frames, :, :2], np.float64)
    found = np.isfinite(xy).all(-1) & (xy != 0).any(-1)
    return np.concatenate([xy, found[..., None]], axis=-1)[:, None]


def _with_confidence(array: np.ndarray, frames: slice, scores: np.ndarray | None = None) -> np.ndarray:
    part = np.asarray(array[frames], np.float64)
    if part.shape[-1] == 2 and scores is not None:
        part = np.concatenate([part, np.asarray(scores[frames], np.float64)[..., None]], axis=-1)
    elif part.shape[-1] == 2:
        found = np.isfinite(part).all(-1) & (part != 0).any(-1)
        part = np.concatenate([part, found[..., None]], axis=-1)
    return part if part.ndim == 4 else part[:, None]


def _flat(array: np.ndarray, frames: slice) -> np.ndarray:
    """Of [T,1662]: a hand or a face that was not found is zeros."""
    values = np.asarray(array[frames], np.float64)
    body = values[:, : 4 * _BODY].reshape(-1, _BODY, 4)
    rest = _without_confidence(values[:, 4 * _BODY :].reshape(-1, _FACE + 2 * _HAND, 3), slice(None))[:, 0]
    return np.concatenate([body[..., [0, 1, 3]], rest], axis=1)[:, None]


def _of_fields(content: Any) -> Source:
    """Of a dict with `keypoints` and perhaps `scores`, as Uni-Sign has it, or of a single array.

    Uni-Sign: lists of T arrays [P,133,2] and [P,133]; where it is part of a longer video, from `start` to `end`.
    """
    if isinstance(content, np.ndarray):
        return of_array(content)
    if isinstance(content, dict) and "img_list" in content:
        raise KeypointsError("a file of the published SEDS; import it with: seds import features --help")
    if isinstance(content, dict) and len(content) == 1 and isinstance(only := next(iter(content.values())), np.ndarray):
        return of_array(only)
    keypoints = content.get("keypoints") if isinstance(content, dict) else None
    scores = content.get("scores") if isinstance(content, dict) else None
    if isinstance(keypoints, np.ndarray):
        return of_array(keypoints, scores if isinstance(scores, np.ndarray) else None)
    if not isinstance(keypoints, list) or not isinstance(scores, list) or len(keypoints) != len(scores):
        raise KeypointsError("expected an array, or `keypoints` and `scores`, lists of as many frames")
    frames = [
        _people(points, confidence, t) for t, (points, confidence) in enumerate(zip(keypoints, scores, strict=True))
    ]
    start, end = content.get("start", 0), content.get("end", len(frames))
    if not all(isinstance(bound, int | np.integer) for bound in (start, end)) or not 0 <= start < end <= len(frames):
        raise KeypointsError(f"start {start!r} and end {end!r} of {len(frames):,} frames")
    frames = frames[start:end]

    def read(first: int, last: int) -> People:
        return frames[first:last]

    seen = [people for people in frames if len(people)]
    unit = bool(seen) and _is_unit(np.concatenate(seen))
    return Source("Uni-Sign, 133 points", len(frames), None, None, None, unit, read)


def _people(points: Any, confidence: Any, frame: int) -> np.ndarray:
    """float32 [P,133,3] of Uni-Sign's arrays of a frame."""
    arrays = all(isinstance(value, np.ndarray) and value.dtype.kind in "fiu" for value in (points, confidence))
    if not arrays or points.ndim != 3 or points.shape[1:] != (JOINTS, 2) or confidence.shape != points.shape[:2]:
        shapes = [list(getattr(value, "shape", ())) for value in (points, confidence)]
        raise KeypointsError(
            f"frame {frame}: arrays {shapes[0]} and {shapes[1]}, expected [P,{JOINTS},2] and [P,{JOINTS}]"
        )
    check_people(len(points), 1)
    layout = wholebody()
    return layout.to_wholebody(np.concatenate([points, confidence[..., None]], axis=-1).astype(np.float32))


def _kaggle(path: Path) -> Source:
    """Of a Parquet file of Kaggle's asl-signs: a row a point, with frame, type, landmark_index, x and y."""
    wanted = ["frame", "type", "landmark_index", "x", "y"]
    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > _PARQUET_FRAMES * _HOLISTIC:
            raise KeypointsError(f"{file.metadata.num_rows:,} rows, more than {_PARQUET_FRAMES:,} frames have")
        missing = [name for name in wanted if name not in file.schema_arrow.names]
        if missing:
            raise KeypointsError(f"no column {' and no column '.join(missing)}")
        numbers = [_numbers(file, name) for name in ("frame", "landmark_index", "x", "y")]
        types = file.read(["type"])["type"].to_pandas().astype("category")
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        if isinstance(error, KeypointsError) or not path.is_file():
            raise
        raise KeypointsError(f"no readable Parquet file of keypoints ({error})") from None
    frame, landmark, x, y = numbers
    starts = dict(
        zip(("face", "left_hand", "pose", "right_hand"), (0, _FACE, _FACE + _HAND, _FACE + _HAND + _BODY), strict=True)
    )
    sizes = {"face": _FACE, "left_hand": _HAND, "pose": _BODY, "right_hand": _HAND}
    if not len(frame) or not np.isfinite(frame).all() or not np.isfinite(landmark).all():
        raise KeypointsError("no rows, or rows without a frame or a landmark_index")
    names = types.cat.categories.tolist()
    unknown = [name for name in names if name not in starts]
    if unknown:
        raise KeypointsError(f"type {unknown[0]!r}, expected {', '.join(starts)}")
    kind = types.cat.codes.to_numpy()
    start, size = (np.array([by_name[name] for name in names])[kind] for by_name in (starts, sizes))
    if ((landmark < 0) | (landmark >= size)).any():
        raise KeypointsError("a landmark_index beyond those of its type")
    first, count = int(frame.min()), int(frame.max() - frame.min()) + 1
    if count > _PARQUET_FRAMES:
        raise KeypointsError(f"frames {first:,} to {first + count - 1:,}, more than {_PARQUET_FRAMES:,}")
    array = np.full((count, _HOLISTIC, 2), np.nan, np.float32)
    array[(frame - first).astype(int), (start + landmark).astype(int)] = np.stack([x, y], axis=-1)
    return _source(array, mediapipe(_KAGGLE, _FACE, "Kaggle, MediaPipe, 543 points"), _without_confidence)


def _numbers(file: pq.ParquetFile, name: str) -> np.ndarray:
    return file.read([name])[name].to_numpy().astype(np.float64)
