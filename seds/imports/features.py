"""RGB features that others extracted -> the rgb shards of an imported corpus, beside its keypoints.

Window i of a file of features covers the frames from i * stride to i * stride + window, of the frame rate that they
were extracted at. Where the keypoints have another rate, the window is placed at the same time.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from seds import tables
from seds.extraction import imported
from seds.imports.feature_files import read_features
from seds.imports.files import VideoFiles
from seds.imports.joints import KeypointsError
from seds.imports.shard_writer import ShardWriter
from seds.shards import INDEX, ShardReader
from seds.system.files import atomic_folder

SHARD_VIDEOS = 250
_SLACK, _SLACK_SHARE = 2, 0.1  # windows by which a video may have more or fewer than its length gives


@dataclass(frozen=True)
class Windows:
    """Where features lie in time. fps: frames a second that windows are counted in; window, stride: in such frames."""

    fps: float
    window: int
    stride: int

    def starts(self, count: int, fps: float) -> np.ndarray:
        """int32 [count], ascending: the frames of a video of `fps` whose windows of `window` frames are centred as
        these are.
        """
        centres = (np.arange(count) * self.stride + self.window / 2) * fps / self.fps
        return np.maximum(np.floor(centres - self.window / 2 + 0.5), 0).astype(np.int32)

    def check(self, count: int, frames: int, fps: float) -> None:
        """Raises KeypointsError if a video of so many frames does not have that many windows, padded at its ends or
        not.
        """
        length = frames / fps * self.fps
        least = max(1.0, (length - self.window) / self.stride + 1)
        most = max(1.0, length / self.stride + 1)
        slack = max(_SLACK, _SLACK_SHARE * most)
        if not least - slack <= count <= most + slack:
            raise KeypointsError(
                f"{count:,} windows, but {frames / fps:.1f} s make {math.floor(least):,} to {math.ceil(most):,} of "
                f"{self.window} frames every {self.stride} at {self.fps:g} fps"
            )


def import_features(
    source: Path, root: Path, windows: Windows, weights: str, shard_videos: int = SHARD_VIDEOS
) -> pd.DataFrame:
    """Write `root`/rgb, whole or not at all, and name its features in `root`/videos.parquet. Returns the SHARD_INDEX.

    source: a folder with a file of features for each video, called by its id. root: the folder of an imported corpus.
    weights: what made the features, for a person. A video whose features are missing, unreadable or do not fit is
    `failed` in the index. Raises KeypointsError where there is nothing to import or to import to.
    """
    if not (root / imported.VIDEOS).is_file() or not (root / "pose" / INDEX).is_file():
        raise KeypointsError(
            f"{root} has no imported keypoints, which the features belong to; import them first (seds import "
            "keypoints; of videos of your own, seds export keypoints writes them)"
        )
    if not source.is_dir() or not (files := VideoFiles.of_features(source)).paths:
        raise KeypointsError(f"{source} has no features; expected a .npy, .npz, .h5 or .pt file for each video")
    videos, pose = imported.read_videos(root), ShardReader(root / "pose", "pose")
    header = {"source": "imported", "network": "imported", "weights": weights, "window": str(windows.window)}
    header |= {"stride": str(windows.stride), "fps": f"{windows.fps:g}"}
    digests: dict[str, str] = {}
    width = 0
    with atomic_folder(root / "rgb") as folder:
        writer = ShardWriter("rgb", folder, header, shard_videos)
        done = videos[videos["status"] == "ok"]
        for row in tqdm(done.itertuples(), "import", len(done), unit="video", disable=None):
            digest = hashlib.sha256(pose.read(row.video_id, ("keypoints",))[0].tobytes())
            try:
                tensors = _read(source, files, row, windows, width)
            except (KeypointsError, OSError) as error:
                writer.fail(row.video_id, str(error))
            else:
                width = tensors["features"].shape[1]
                shown = {"fps": row.fps, "width": row.width, "height": row.height}
                writer.add(row.video_id, tensors, row.frames, len(tensors["features"]), shown)
                digest.update(tensors["features"].tobytes() + tensors["starts"].tobytes())
            digests[row.video_id] = digest.hexdigest()
        index = writer.finish()
        if not width:
            raise KeypointsError(
                f"no features of {len(done):,} videos could be imported; the first: {index['detail'][0]}"
            )
    sha256 = videos["video_id"].map(digests).fillna(videos["sha256"])
    tables.write(videos.assign(sha256=sha256), tables.VIDEOS, root / imported.VIDEOS)
    return index


def _read(source: Path, files: VideoFiles, video: Any, windows: Windows, width: int) -> dict[str, np.ndarray]:
    """The tensors of a video's rgb shard. width: of the features so far, 0 = none. Raises KeypointsError, OSError."""
    found = files.find(video.video_id)
    if len(found) != 1:
        names = " and ".join(map(str, found[:2]))
        raise KeypointsError(f"may be {names}" if found else f"no file of features is called {video.video_id!r}")
    try:
        features = read_features(source / found[0])
        windows.check(len(features), video.frames, video.fps)
        if width and features.shape[1] != width:
            raise KeypointsError(f"{features.shape[1]} features a window, the others have {width}")
    except KeypointsError as error:
        raise KeypointsError(f"{found[0]}: {error}") from None
    return {"features": features, "starts": windows.starts(len(features), video.fps)}
