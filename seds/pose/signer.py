"""From a video to the keypoints of its signer: what the pose estimators have in common.

T frames. Which part of the frame an estimator looks at is decided here. By default it is the whole frame; if the video
has a box around the signer, it is that box, widened as the estimator needs; if several people are in view, it is the
part that belongs to the signer (seds.pose.people). Keypoints are always in px of the whole frame.
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

_log = logging.getLogger(__name__)


class Estimate(Protocol):
    """The 133 joints of the person in one part of the frame.

    margin: the factor by which a box is widened before the estimator looks at it; 1 if the estimator does so itself.
    """

    margin: float

    def __call__(self, images: Iterable[np.ndarray], view: Box) -> np.ndarray:
        """uint8 RGB [H,W,3] images of one size, and where to look -> float32 [T,133,3]: x px, y px, confidence.

        A result depends only on the images and the view, not on earlier calls.
        """
        ...


class SignerExtractor:
    """Video -> "keypoints", float32 [T,133,3]: x, y in px of the whole frame, confidence.

    If the frame rate varies, also when each frame is shown (seds.pose.frame_times). Frames are passed on as they are
    decoded; the estimator prefetches. Raises VideoError from decoding, ValueError for a box outside the frame.
    """

    def __init__(self, estimate: Estimate) -> None:
        self._estimate = estimate
        with suppress_native_stderr():
            self._detect_people = PersonDetector()

    def __call__(self, video: Video) -> Extraction:
        times = FrameTimes()
        images = times.record(_frames(video))
        first = next(images)
        height, width = first.shape[:2]
        box = clip_box(video.bbox, width, height)
        view = clip_box(padded(box, self._estimate.margin), width, height)
        people = _PeopleInView(self._detect_people, view, every=max(1, round(video.fps)))
        keypoints = self._estimate(people.record(chain([first], images)), view)
        area = signer_area(people.detections, box, view)
        if area is not None:
            if video.bbox is None:
                _log.warning(
                    "%s: several people are in view and the video has no bbox; its keypoints are those of the largest",
                    video.video_id,
                )
            keypoints = self._estimate((frame.image for frame in _frames(video)), area)
        tensors = {"keypoints": keypoints}
        irregular = times.irregular(video.fps, video.start_s)
        if irregular is not None:
            tensors[FRAME_TIMES] = irregular
        return Extraction(tensors, frames=len(keypoints), rows=len(keypoints))


class _PeopleInView:
    """Records who is in view in one of every `every` images that pass through `record`.

    With a detection per second of video, this costs 1 % of the time of the keypoints.
    """

    def __init__(self, detect: PersonDetector, view: Box, every: int) -> None:
        self._detect, self._view, self._every = detect, view, every
        self.detections: list[list[Box]] = []  # boxes in px of the whole frame

    def record(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        rows, columns = pixels(self._view)
        for number, image in enumerate(images):
            if number % self._every == 0:
                people = self._detect(np.ascontiguousarray(image[rows, columns]))
                self.detections.append([_shifted(person, columns.start, rows.start) for person in people])
            yield image


def _frames(video: Video) -> Iterator[TimedFrame]:
    return timed_frames(video.path, video.start_s, video.end_s, video.fps)


def _shifted(box: Box, x: float, y: float) -> Box:
    return box[0] + x, box[1] + y, box[2] + x, box[3] + y
