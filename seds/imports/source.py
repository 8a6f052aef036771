"""Keypoints of a video as somebody stored them: how many frames, of what rate and size, and its people in each frame.

T frames, P people in a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from seds.imports.joints import KeypointsError

MAX_PEOPLE = 64  # in a frame
MAX_PERSON_FRAMES = 500_000  # people times frames that are read at a time, 0.8 GB: 5 hours of one person at 25 fps

People = Sequence[np.ndarray] | np.ndarray
Read = Callable[[int, int], People]


@dataclass(frozen=True)
class Source:
    """What a file or a folder of keypoints holds. layout: of its points, for a person.

    fps, width, height: None where it does not say. unit: x and y are shares of width and height, and not px. read: the
    people of frames first <= t < last, for each frame float32 [P,133,3] x, y, confidence. Raises KeypointsError.
    """

    layout: str
    frames: int
    fps: float | None
    width: int | None
    height: int | None
    unit: bool
    read: Read

    def people(self, first: int, last: int) -> People:
        """The same within bounds. Raises KeypointsError for more frames than are read at a time."""
        if last - first > MAX_PERSON_FRAMES:
            raise KeypointsError(
                f"{last - first:,} frames, more than the {MAX_PERSON_FRAMES:,} that are read at a time; cut it into "
                "sentences by start_s and end_s"
            )
        return self.read(first, last)


def check_people(people: int, frames: int) -> None:
    """Raises KeypointsError for more people than a recording has, or than are held in memory."""
    if people > MAX_PEOPLE or people * frames > MAX_PERSON_FRAMES:
        raise KeypointsError(
            f"{people:,} people in {frames:,} frames, expected at most {MAX_PEOPLE} people, and "
            f"{MAX_PERSON_FRAMES:,} people and frames together"
        )
