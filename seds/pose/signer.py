"""From a video to the keypoints of its signer: what the pose estimators have in common.

T frames. An estimator is told where to look; here is decided where that is. By default it is the whole frame; with a
box, the box with the margin the estimator wants; and of several people in view only the part that is the signer's
(seds.pose.people). Keypoints are always px of the whole frame.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Protocol

import numpy as np

from seds.extraction.extractor import Extraction, Video
from seds.pose.frame_times import FrameTimes
from seds.pose.people import PersonDetector, signer_area
from seds.system.stderr import suppress_native_stderr
from seds.timing import FRAME_TIMES
from seds.video import TimedFrame, timed_frames
from seds.video.boxes import Box, clip_box, padded, pixels


class Estimate(Protocol):
    """The 133 joints of the person in one part of the frame.

    margin  factor by which a box is widened before the estimator looks at it; 1 where it does so itself
    """

    margin: float

    def __call__(self, images: Iterable[np.ndarray], view: Box) -> np.ndarray:
        """uint8 RGB [H,W,3] of one size, and where to look -> float32 [T,133,3]: x px, y px, confidence.

        A result depends on the images and the view alone, not on earlier calls.
        """
        ...


class SignerExtractor:
    """Video -> "keypoints" float32 [T,133,3]: x, y in px of the whole frame, confidence. Of a video whose frame rate
    varies, also when each frame is shown (seds.pose.frame_times).

    The frames are handed on as they are decoded; the estimator reads ahead.

    Raises VideoError from decoding, and ValueError for a box that lies outside the frame.
    """

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate
        with suppress_native_stderr():
            self._people = PersonDetector()

    def __call__(self, video: Video) -> Extraction:
        times = FrameTimes()
        images = times.watched(_frames(video))
        first = next(images)
        height, width = first.shape[:2]
        box = clip_box(video.bbox, width, height)
        view = clip_box(padded(box, self._estimate.margin), width, height)
        looks: list[list[Box]] = []
        every = max(1, round(video.fps))  # a look a second costs 1 % of the detection of the joints
        keypoints = self._estimate(self._watched(chain([first], images), view, every, looks), view)
        narrower = signer_area(looks, box, view)
        if narrower is not None:
            if video.bbox is None:
                _log.warning("%s: several people in view and no bbox; the keypoints are the largest's", video.video_id)
            keypoints = self._estimate((frame.image for frame in _frames(video)), narrower)
        tensors = {"keypoints": keypoints}
        uneven = times.uneven(video.fps, video.start_s)
        if uneven is not None:
            tensors[FRAME_TIMES] = uneven
        return Extraction(tensors, frames=len(keypoints), rows=len(keypoints))

    def _watched(
        self, images: Iterable[np.ndarray], view: Box, every: int, looks: list[list[Box]]
    ) -> Iterator[np.ndarray]:
        """Hands the images on, and notes who is in view in each `every`-th of them."""
        rows, columns = pixels(view)
        for number, image in enumerate(images):
            if number % every == 0:
                people = self._people(np.ascontiguousarray(image[rows, columns]))
                looks.append([_shifted(person, columns.start, rows.start) for person in people])
            yield image


def _frames(video: Video) -> Iterator[TimedFrame]:
    return timed_frames(video.path, video.start_s, video.end_s, video.fps)


def _shifted(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y


_log = logging.getLogger(__name__)
