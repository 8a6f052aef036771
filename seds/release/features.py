"""The published SEDS release's keypoints and I3D features -> this project's tables and shards (SPEC 1).

One video is in memory at a time, besides the shard that is being filled. What cannot be read is listed, and the rest
goes on. T frames, n pose windows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from reprlib import repr as brief
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds import tables
from seds.config import Manifest
from seds.corpora import pickles
from seds.corpora.captions import RELEASES, Caption, CaptionError, Release, read_captions
from seds.data import hands, windows
from seds.extraction import imported
from seds.imports.shard_writer import ShardWriter
from seds.skeleton import JOINTS
from seds.system.files import atomic_folder

FEATURES = 1024  # of an Inception-I3D window
LANGUAGE = "en"
RULES = Manifest.model_validate({})  # the published ones, by which the release chose its windows


@dataclass(frozen=True)
class Imported:
    """What an import leaves: the VIDEOS table and the two SHARD_INDEX tables."""

    videos: pd.DataFrame
    pose: pd.DataFrame
    rgb: pd.DataFrame


def import_release(
    name: str,
    corpus: str,
    *,
    captions: Path,
    keypoints: Path,
    features: Path,
    output: Path,
    shard_videos: int = 250,
) -> Imported:
    """Write `output`, whole or not at all: videos.parquet, pose/ and rgb/, which the pipeline reads as corpus `name`.

    corpus: one of captions.RELEASES. captions: folder of {train,dev,test}.pkl. keypoints: folder of <video>.pkl or
    <subset>/<video>.pkl with `keypoints` [T,133,3] and `img_list`, T frame names. features: folder of
    <subset>/<video>.pkl or <video>.pkl with `feature` [n,1024], one row per pose window.

    A video whose keypoints cannot be read is `missing` or `unreadable` in the table; one whose features cannot be read
    or do not fit is `failed` in the rgb index. Raises CaptionError and PickleError for unusable captions,
    FileExistsError if `output` exists.
    """
    if output.exists():
        raise FileExistsError(f"{output} exists; remove it, or import under another name")
    release = RELEASES[corpus]
    entries = read_captions(captions, release)
    source = {"source": f"SEDS release, {corpus}"}
    # The release does not name the weights. `window` is what the centres of the windows are computed from.
    i3d = {**source, "network": "InceptionI3D", "weights": "not published", "window": str(RULES.window)}
    with atomic_folder(output) as folder:
        pose = ShardWriter("pose", folder / "pose", {**source, "estimator": "RTMPose"}, shard_videos)
        rgb = ShardWriter("rgb", folder / "rgb", i3d, shard_videos)
        progress = tqdm(entries, desc="import", unit="video", mininterval=0.5, disable=None)
        rows = [_import_video(entry, release, keypoints, features, pose, rgb) for entry in progress]
        videos = tables.check(pd.DataFrame(rows).assign(dataset=name), tables.VIDEOS, f"the videos of {name}")
        tables.write(videos, tables.VIDEOS, folder / imported.VIDEOS)
        return Imported(videos, pose.finish(), rgb.finish())


def read_keypoints(path: Path, release: Release) -> np.ndarray:
    """float32 [T,133,3] of a keypoint file, in the order of the frames' numbers. Raises CaptionError, PickleError."""
    content = _content(path, ("keypoints", "img_list"))
    keypoints = _numbers(content["keypoints"], f"{path}: keypoints", f"[T,{JOINTS},3]")
    if keypoints.ndim != 3 or keypoints.shape[1:] != (JOINTS, 3) or not len(keypoints):
        raise CaptionError(f"{path}: keypoints are {list(keypoints.shape)}, expected [T,{JOINTS},3]")
    names = content["img_list"].tolist() if isinstance(content["img_list"], np.ndarray) else content["img_list"]
    if not isinstance(names, list | tuple) or len(names) != len(keypoints):
        count = len(names) if isinstance(names, list | tuple) else f"no list ({type(names).__name__}) of"
        raise CaptionError(f"{path}: img_list has {count} frames, keypoints {len(keypoints)}")
    numbers = np.array([_frame_number(image, path, release) for image in names])
    order = np.argsort(numbers, kind="stable")
    twice = np.flatnonzero(np.diff(numbers[order]) == 0)
    if len(twice):
        raise CaptionError(f"{path}: frame {numbers[order][twice[0]]} occurs twice in img_list")
    return keypoints[order].astype(np.float32)


def read_features(path: Path) -> np.ndarray:
    """float16 [n,1024] of a feature file. Raises CaptionError, PickleError."""
    feature = _numbers(_content(path, ("feature",))["feature"], f"{path}: feature", f"[n,{FEATURES}]")
    if feature.ndim != 2 or feature.shape[1] != FEATURES:
        raise CaptionError(f"{path}: feature is {list(feature.shape)}, expected [n,{FEATURES}]")
    with np.errstate(over="ignore"):  # named below
        stored = feature.astype(np.float16)
    if not np.isfinite(stored).all():
        raise CaptionError(f"{path}: feature has NaN, infinite or too large values for float16")
    return stored


def window_starts(keypoints: np.ndarray, release: Release) -> np.ndarray:
    """Raw frame at which the RGB window of each pose window starts, int32 [n], ascending.

    The released features have one row per pose window, over retained frames; here RGB windows are in raw time, and a
    pose window takes the one whose centre is nearest. So each row is placed at the centre of its pose window, or half a
    frame before it: windows are at least a frame apart, so the nearest row is its own even if frames were left out.
    """
    retained = hands.retain(keypoints, hands.Frame(release.width, release.height, release.wrist_margin), RULES)
    starts = windows.pose_windows(len(retained.frames), RULES.window, RULES.max_windows)
    centres = windows.pose_centres(retained.frames, starts, RULES.window)
    # Only the single window of a video shorter than a window would start before the video.
    return np.maximum(np.floor(centres - (RULES.window - 1) / 2), 0).astype(np.int32)


def _import_video(
    entry: Caption, release: Release, keypoints: Path, features: Path, pose: ShardWriter, rgb: ShardWriter
) -> dict[str, Any]:
    """Add a video's tensors to the shards; returns its row of the VIDEOS table.

    Its sha256 is that of the tensors, which stand for the video's file: the stages pass them on, so a corpus that is
    imported again from other files makes them run again.
    """
    row: dict[str, Any] = {
        "video_id": entry.video_id,
        "sentence_id": entry.sentence_id,
        "split": entry.split,
        "text": entry.text,
        "text_original": entry.text_original,
        "language": LANGUAGE,
        "signer": entry.signer,
        "path": "",
        "start_s": None,
        "end_s": None,
    }
    unread = {"frames": 0, "fps": 0.0, "width": 0, "height": 0, "sha256": ""}
    path = _file(keypoints, entry)
    if not path.is_file():
        return row | unread | {"status": "missing", "detail": f"{path}: no such file"}
    try:
        points = read_keypoints(path, release)
    except (CaptionError, pickles.PickleError, OSError) as error:
        return row | unread | {"status": "unreadable", "detail": str(error)}
    frames = len(points)
    shown = {"fps": release.fps, "width": release.width, "height": release.height}
    pose.add(entry.video_id, {"keypoints": points}, frames, frames, shown)
    digest = hashlib.sha256(points.tobytes())
    try:
        tensors = _features_of(_file(features, entry), points, release)
    except (CaptionError, pickles.PickleError, OSError) as error:
        rgb.fail(entry.video_id, str(error))
    else:
        rgb.add(entry.video_id, tensors, frames, len(tensors["features"]), shown)
        for tensor in tensors.values():
            digest.update(tensor.tobytes())
    seen = {"frames": frames, **shown}
    return row | seen | {"sha256": digest.hexdigest(), "status": "ok", "detail": ""}


def _features_of(path: Path, keypoints: np.ndarray, release: Release) -> dict[str, np.ndarray]:
    """The tensors of a video's rgb shard. Raises CaptionError where they are not of the windows of its keypoints."""
    if not path.is_file():
        raise CaptionError(f"{path}: no such file")
    table, starts = read_features(path), window_starts(keypoints, release)
    if len(table) != len(starts):
        raise CaptionError(f"{path}: feature has {len(table)} rows, the video's keypoints make {len(starts)} windows")
    return {"features": table, "starts": starts}


def _file(folder: Path, entry: Caption) -> Path:
    """The file of a video, in its subset's folder or, if there is none, in the folder itself."""
    inner, outer = folder / entry.subset / f"{entry.video_id}.pkl", folder / f"{entry.video_id}.pkl"
    return inner if inner.is_file() or not outer.is_file() else outer


def _content(path: Path, keys: tuple[str, ...]) -> dict[Any, Any]:
    content = pickles.load(path)
    if not isinstance(content, dict) or not set(keys) <= set(content):
        raise CaptionError(f"{path}: expected a dict with {' and '.join(keys)}, found {brief(content)}")
    return content


def _numbers(value: Any, what: str, shape: str) -> np.ndarray:
    """An array of numbers. Lists are refused: nested ones may expand to more than memory holds."""
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        given = value.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise CaptionError(f"{what}: expected an array of numbers, {shape}, found {given}")
    return np.asarray(value)


def _frame_number(image: Any, path: Path, release: Release) -> int:
    match = release.frame.fullmatch(PurePosixPath(image).stem) if isinstance(image, str) else None
    if match is None:
        raise CaptionError(f"{path}: img_list has {brief(image)}, expected a name that ends with the frame's number")
    return int(match[1])
