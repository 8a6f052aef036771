"""What an extractor is: a video in, tensors out. seds.engine runs it over a corpus.

Kept apart from the engine, so that an edit of the scheduling never looks like an edit of what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from seds.system.files import digest
from seds.video.boxes import Box, parse_box


@dataclass(frozen=True)
class Video:
    """A readable row of the videos table; `start_s` and `end_s` are None where the video's own bounds are meant."""

    video_id: str
    path: str  # a file, or a folder of frames
    start_s: float | None
    end_s: float | None
    frames: int
    fps: float
    width: int  # px, as shown
    height: int
    sha256: str  # of the content, seds.video.content_hash
    bbox: Box | None = None  # of the signer; None = the whole frame

    @property
    def identity(self) -> str:
        """What of the video determines its result, as 32 hex digits: content, cut, frame rate and box.

        Not its name or path, so that a corpus may be moved or renamed; the sizes follow from the content.
        """
        return digest([self.sha256, self.start_s, self.end_s, self.fps, self.bbox])[:32]


@dataclass(frozen=True)
class Extraction:
    """What an extractor makes of a video: tensors by field, number of frames decoded, length of the main tensor."""

    tensors: dict[str, np.ndarray]
    frames: int
    rows: int


class Extractor(Protocol):
    """The work on one video, whose result depends on what `Video.identity` covers alone.

    What it raises is that video's failure. A ValueError (VideoError is one) is a verdict on the content, which holds
    until content, settings or code change; any other exception is taken for circumstances, which the next run may find
    better.
    """

    def __call__(self, video: Video) -> Extraction: ...


Build = Callable[[], Extractor]  # picklable, a partial of a module's function or class; called in the worker


def read_video(row: Mapping[str, Any]) -> Video:
    """The Video of an `ok` row of the videos table. Raises ValueError for a box that is none."""
    start_s, end_s = (None if row[cut] is None or math.isnan(row[cut]) else row[cut] for cut in ("start_s", "end_s"))
    return Video(
        row["video_id"], row["path"], start_s, end_s, row["frames"], row["fps"], row["width"], row["height"],
        row["sha256"], parse_box(row["bbox"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A video without a result.

    reason   the kind, for counting: "cannot be decoded"
    detail   this case, for a person; the video's path is said elsewhere
    lasting  holds for this content, settings and code; else the next run tries again
    """

    reason: str
    detail: str
    lasting: bool = False

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


Outcome = Extraction | Failure
