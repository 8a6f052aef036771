"""Films and pictures of keypoints, for videos whose files are not there or are not to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from seds.serve import video_tasks
from seds.shards import INDEX, ShardReader
from seds.show.draw import draw
from seds.timing import FRAME_TIMES, frame_edges

FILM_PX = 480  # longer side
_GREY = 40  # level of the background
_SEEN = 0.3  # a bone is drawn if both its joints have more confidence


@dataclass(frozen=True)
class Skeleton:
    """keypoints: [T,133,3] px. times: float64 [T] s, when each frame is shown. state: tells it from an earlier one."""

    keypoints: np.ndarray
    times: np.ndarray
    fps: float
    width: int
    height: int
    state: tuple[int, int]

    def picture(self, frame: int, longer: int) -> np.ndarray:
        """A frame drawn, uint8 [H,W,3] RGB, its longer side that many px."""
        scale = longer / max(self.width, self.height)
        size = max(2, round(self.height * scale)), max(2, round(self.width * scale))
        points = np.nan_to_num(self.keypoints[frame]) * np.array([scale, scale, 1])
        return draw(np.full((*size, 3), _GREY, np.uint8), points, _SEEN)


class Skeletons:
    """The keypoints in a folder of pose shards, which may be missing. Several threads may ask."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reader = ShardReader(folder, "pose") if (folder / INDEX).is_file() else None
        self._state = (0, 0)
        if self._reader is not None:
            status = (folder / INDEX).stat()
            self._state = (status.st_size, status.st_mtime_ns)

    def find(self, row: Mapping[str, Any]) -> Skeleton | None:
        """That of a row of the gallery; None where it has no keypoints. Raises ShardError."""
        if self._reader is None or row["video_id"] not in self._reader:
            return None
        (keypoints,) = self._reader.read(row["video_id"], ("keypoints",))
        times = frame_edges(self._reader.find(row["video_id"], FRAME_TIMES), len(keypoints), row["fps"])[:-1]
        return Skeleton(keypoints, times, row["fps"], row["width"], row["height"], self._state)


def write_film(path: Path, skeleton: Skeleton) -> None:
    """All frames as a video that browsers play, of the same length and with the same times."""

    def frames() -> Iterator[tuple[np.ndarray, float]]:
        for number, time in enumerate(skeleton.times.tolist()):
            yield skeleton.picture(number, FILM_PX), time

    video_tasks.encode(path, frames(), skeleton.fps)


def write_picture(path: Path, skeleton: Skeleton) -> None:
    """A JPEG of the frame at two fifths, where hands do not rest, drawn large and made smaller, for smooth lines."""
    image = skeleton.picture(int(video_tasks.POSTER_AT * len(skeleton.keypoints)), 2 * video_tasks.POSTER_PX)
    small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    Image.fromarray(small).save(path, "JPEG", quality=80)
