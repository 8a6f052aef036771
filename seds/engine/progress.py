"""The progress line: frames and videos done, their rates, and the time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from types import TracebackType

from tqdm import tqdm

from seds.extraction.extractor import Video
from seds.timing import duration_s


class Progress:
    """Progress in frames, since videos differ in length. The rates and the time left are those of this run: what
    earlier runs have finished counts as done, but not towards the speed.
    """

    def __init__(self, kind: str, videos: Collection[Video], todo: Collection[Video]) -> None:
        self._total = len(videos)
        self._done = self._done_before = len(videos) - len(todo)
        frames, frames_todo = (sum(map(_frames, part)) for part in (videos, todo))
        self._bar = tqdm(
            total=frames,
            initial=frames - frames_todo,
            desc=kind,
            unit=" frames",
            smoothing=0,  # the mean rate: videos finish in bursts
            mininterval=0.5 if sys.stderr.isatty() else 30,  # in a log file every refresh adds a line
        )
        self._start = time.monotonic()

    def add(self, video: Video) -> None:
        self._done += 1
        rate = (self._done - self._done_before) / (time.monotonic() - self._start)
        self._bar.set_postfix_str(f"{self._done}/{self._total} videos, {rate:.2f} videos/s", refresh=False)
        self._bar.update(_frames(video))

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._bar.close()


def _frames(video: Video) -> int:
    """Frames of the video's cut, estimated from the mean rate."""
    return round(duration_s(video) * video.fps)
