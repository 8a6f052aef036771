"""What an extractor is: it turns a video into tensors. seds.engine runs it over a corpus.

Separate from the engine, so that an edit of the scheduling never looks like an edit of what is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from seds.errors import unicode_text
from seds.system.files import digest
from seds.video.boxes import Box, parse_box
from seds.video.cuts import cut_bounds


@dataclass(frozen=True)
class Video:
    """A readable row of the videos table. start_s, end_s: None where the video's own start or end is meant."""

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
        """32 hex digits for what determines the video's result: content, cut, frame rate and box.

        Name and path do not, so that a corpus may be moved or renamed. The sizes follow from the content.
        """
        return digest([self.sha256, self.start_s, self.end_s, self.fps, self.bbox])[:32]


@dataclass(frozen=True)
class Extraction:
    """What an extractor makes of a video: tensors by field, number of frames decoded, length of the main tensor."""

    tensors: dict[str, np.ndarray]
    frames: int
    rows: int


class Extractor(Protocol):
    """Computes one video. The result depends only on what `Video.identity` covers.

    An exception is that video's failure. A ValueError, such as VideoError, is a verdict on the content, which holds
    until content, settings or code change. Any other exception is blamed on the circumstances, and the next run tries
    the video again.
    """

    def __call__(self, video: Video) -> Extraction: ...


@dataclass(frozen=True)
class ExtractorSpec:
    """An extractor before it is made: what identifies its results, and how a worker process makes it.

    settings: everything that determines a result; they go into the shards' headers. make_extractor: picklable, called
    in the worker with a device, "cpu", "cuda" or "cuda:1"; the file of the function and what it imports are the code
    that decides the results (seds.system.code_version). device: "cpu" or "cuda", where this machine would run it.
    """

    kind: Literal["pose", "rgb", "adapt"]
    settings: Mapping[str, str]
    make_extractor: Callable[[str], Extractor]
    device: str

    def make(self) -> Extractor:
        """The extractor, in this process."""
        return self.make_extractor(self.device)


def read_video(row: Mapping[str, Any]) -> Video:
    """The Video of an `ok` row of the videos table. Raises ValueError for a malformed bbox."""
    start_s, end_s = cut_bounds(row["start_s"], row["end_s"])
    return Video(
        row["video_id"], row["path"], start_s, end_s, row["frames"], row["fps"], row["width"], row["height"],
        row["sha256"], parse_box(row["bbox"]),
    )  # fmt: skip


@dataclass(frozen=True)
class Failure:
    """A video without a result.

    reason: the kind of failure, for counting, such as "cannot be decoded". detail: this case, for a person, without the
    video's path. lasting: holds for this content, these settings and this code; otherwise the next run tries again.
    """

    reason: str
    detail: str
    lasting: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "detail", unicode_text(self.detail))  # may name a file

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}"


Outcome = Extraction | Failure
