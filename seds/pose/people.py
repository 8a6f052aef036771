"""Who is in view, and the part of the frame that belongs to the signer.

Corpora show one signer, and the estimators look at the whole frame. If several people are in view for most of a video,
the one nearest to the signer's box is kept: the one whose upper body overlaps it most (intersection over union), or, if
nobody's overlaps it, the one whose centre is nearest to its centre. Without a box the overlap is with the whole frame,
so that the largest person is kept. The choice is made once per video, so that keypoints do not jump between people.

People are detected by the network that MediaPipe's body model starts from (BlazePose, Bazarevsky et al., 2020), which
is in MediaPipe's wheel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from seds.video.boxes import Box

_GRAPH = """
input_stream: "image"
output_stream: "detections"
node { calculator: "PoseDetectionCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:detections" }
"""
# Numbers of the points that the detector gives: the midpoints of the hips and of the shoulders, and a point on the
# circle around the shoulders that encloses the upper body.
_HIPS, _SHOULDERS, _UPPER_BODY = 0, 2, 3


class PersonDetector:
    """uint8 RGB [H,W,3] -> a box (px) around the upper body of each person, head to hips, most confident first."""

    def __init__(self) -> None:
        from mediapipe.python.solution_base import SolutionBase

        self._graph = SolutionBase(graph_config=_GRAPH, outputs=["detections"])
        self._graph.process(np.zeros((64, 64, 3), np.uint8))  # waits for the network, which prints as it loads

    def __call__(self, image: np.ndarray) -> list[Box]:
        height, width = image.shape[:2]
        people = []
        for detection in self._graph.process(image).detections or []:
            location = detection.location_data
            points = [(point.x * width, point.y * height) for point in location.relative_keypoints]
            x, _ = points[_SHOULDERS]
            reach = math.dist(points[_SHOULDERS], points[_UPPER_BODY]) / 2  # about a shoulder on either side
            top = location.relative_bounding_box.ymin * height  # of the face
            people.append((x - reach, top, x + reach, max(points[_HIPS][1], top + reach)))
        return people


def signer_area(detections: Sequence[Sequence[Box]], box: Box, view: Box) -> Box | None:
    """The part of `view` that belongs to the person nearest to `box`; None if nobody else is in view.

    detections: the people detected at several times of a video. box: where the signer is said to be. view: the part of
    the frame that the estimator would look at.

    Only people who are in more than half of the detections count. Towards a neighbour, the area ends halfway between
    the signer's upper body and the neighbour's, and never within the signer's own.
    """
    people = [_median(track) for track in _tracks(detections) if len(track) > len(detections) / 2]
    if len(people) < 2:
        return None
    signer = nearest(people, box)
    left, top, right, bottom = view
    for other in people:
        if other is signer:
            continue
        x, y = (b - a for a, b in zip(_centre(signer), _centre(other), strict=True))
        if abs(x) < abs(y):
            if y > 0:
                bottom = min(bottom, max(signer[3], (signer[3] + other[1]) / 2))
            else:
                top = max(top, min(signer[1], (signer[1] + other[3]) / 2))
        elif x > 0:
            right = min(right, max(signer[2], (signer[2] + other[0]) / 2))
        else:
            left = max(left, min(signer[0], (signer[0] + other[2]) / 2))
    return left, top, right, bottom


def nearest(people: Sequence[Box], box: Box) -> Box:
    """The person that overlaps the box most; if nobody does, the one whose centre is nearest to its centre."""
    return max(people, key=lambda person: (_overlap(person, box), -math.dist(_centre(person), _centre(box))))


def _tracks(detections: Sequence[Sequence[Box]]) -> list[list[Box]]:
    """The boxes of each person over time: a box joins the track whose last box it overlaps most, or starts another."""
    tracks: list[list[Box]] = []
    for people in detections:
        free = list(tracks)
        for person in people:
            overlapping = [track for track in free if _overlap(track[-1], person) > 0]
            if overlapping:
                track = max(overlapping, key=lambda track: _overlap(track[-1], person))
                free = [other for other in free if other is not track]
                track.append(person)
            else:
                tracks.append([person])
    return tracks


def _median(track: Sequence[Box]) -> Box:
    left, top, right, bottom = np.median(track, axis=0).tolist()
    return left, top, right, bottom


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union, in [0,1]."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    return width * height / (_area(a) + _area(b) - width * height)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _centre(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
