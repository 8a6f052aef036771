"""When each frame of a video is shown.

Where a file's rate varies, as a phone's does, frame number over mean rate is wrong by whatever the camera slowed down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

_SLACK_FRAMES = 0.5  # the mean rate is near enough: containers round to a ms or so


class FrameTimes:
    """The times of a video's frames, noted as they pass."""

    def __init__(self) -> None:
        self._shown: list[tuple[float, float]] = []

    def watched(self, frames: Iterable[tuple[np.ndarray, float, float]]) -> Iterator[np.ndarray]:
        """The images of frames of seds.video.timed_frames."""
        for image, begin, end in frames:
            self._shown.append((begin, end))
            yield image

    def uneven(self, fps: float, start_s: float | None) -> np.ndarray | None:
        """float64 [T+1] s since start_s (None = the first frame): when each frame begins, and the last one ends.

        None where the mean rate `fps` tells each to half a frame, and where the file does not tell them all.
        """
        begins = [begin for begin, _ in self._shown]
        last, end = self._shown[-1]
        edges = np.array([*begins, end if end > last else last + 1 / fps])  # some formats have no durations
        told = np.isfinite(edges).all() and (np.diff(edges) >= 0).all()
        off = edges[:-1] - edges[0] - np.arange(len(begins)) / fps  # of a cut, the first may begin after its start
        if not told or np.abs(off).max() * fps <= _SLACK_FRAMES:
            return None
        return edges - (start_s or 0.0)
