"""When each frame of a video is shown.

In a file whose frame rate varies, as a phone's does, frame number divided by mean rate is off by as much as the camera
slowed down.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

_TOLERANCE_FRAMES = 0.5  # the mean rate is good enough: containers round times to a millisecond or so


class FrameTimes:
    """Records the times of a video's frames as they pass through `record`."""

    def __init__(self) -> None:
        self._times: list[tuple[float, float]] = []  # when each frame begins and ends

    def record(self, frames: Iterable[tuple[np.ndarray, float, float]]) -> Iterator[np.ndarray]:
        """The images of the frames, which come from seds.video.timed_frames."""
        for image, begin, end in frames:
            self._times.append((begin, end))
            yield image

    def irregular(self, fps: float, start_s: float | None) -> np.ndarray | None:
        """Times of the recorded frames, float64 [T+1], in s since start_s (None = since the file's clock begins): when
        each frame begins, and when the last one ends.

        None if the mean rate `fps` gives every time to within half a frame, or if the file does not tell them all.
        """
        begins = [begin for begin, _ in self._times]
        last, end = self._times[-1]
        edges = np.array([*begins, end if end > last else last + 1 / fps])  # some formats do not say how long it lasts
        if not np.isfinite(edges).all() or (np.diff(edges) < 0).any():
            return None
        edges -= start_s or 0.0
        # A cut may begin between two frames; the picture of a whole file may begin after its sound.
        late = edges[0] if start_s is None or edges[0] * fps >= 1 + _TOLERANCE_FRAMES else 0.0
        deviations_s = edges[:-1] - edges[0] + late - np.arange(len(begins)) / fps
        return None if np.abs(deviations_s).max() * fps <= _TOLERANCE_FRAMES else edges
