"""How good a video's keypoints look without ground truth: how much of the hands is visible, how sure, how steady.

A joint's confidence is the estimator's own. If too few joints of a hand are visible for it to be *detected* (SPEC 3),
its crop may still be *guessed* from the arm; a frame with neither hand is *dropped*. The measures of a video:

- visibility: share of the frames read in which a hand has a crop, detected or guessed;
- guessed: share of these crops, of both hands, that were guessed;
- confidence: of the body, the mean over all frames and the seven joints that the model reads; of a hand, the mean over
  its joints in the frames in which it was detected;
- blank: share of the joints in the crops, of both hands, that the gate sets to zero, so that the model does not see
  them;
- jitter: median of |p(t-1) - 2 p(t) + p(t+1)| over the frames and over wrists and finger joints, in shoulder widths,
  where the joint's confidence exceeds the gate in all three frames. Steady motion has none; noise of standard deviation
  s in x and y has about 2.9 s. It grows with fast signing and low frame rates, so only compare similar videos;
- badness: see `badness`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seds.config import Manifest
from seds.data import hands
from seds.data.joints import UPPER_BODY
from seds.skeleton import JOINT, LEFT_HAND, RIGHT_HAND

RESTLESS = 0.2  # shoulder widths; as much jitter or more counts as 1 in the badness

_SHOULDERS = [JOINT["left_shoulder"], JOINT["right_shoulder"]]
_ENDS = np.r_[JOINT["left_wrist"], JOINT["right_wrist"], LEFT_HAND, RIGHT_HAND]  # the joints whose jitter is measured


@dataclass(frozen=True)
class HandTrack:
    """One hand over the T frames of a video."""

    boxes: np.ndarray  # int64 [T,3], x0, y0, side in px; side <= 0 where the hand has no crop
    detected: np.ndarray  # bool [T], enough of its joints are visible
    confidence: np.ndarray  # float [T], mean of its 21 joints

    @property
    def visible(self) -> np.ndarray:
        """bool [T]: the hand has a crop, detected or guessed."""
        return self.boxes[:, 2] > 0

    @property
    def guessed(self) -> np.ndarray:
        """bool [T]: its crop comes from the arm."""
        return self.visible & ~self.detected


@dataclass(frozen=True)
class Track:
    """How the pipeline reads a video's keypoints, frame by frame."""

    left: HandTrack
    right: HandTrack
    body: np.ndarray  # float [T], mean confidence of the seven joints that the model reads
    read: np.ndarray  # int64 [K], the frames read; not all of a long video

    @property
    def dropped(self) -> np.ndarray:
        """bool [K]: of the frames read, those without a hand, which the model does not get."""
        return ~(self.left.visible | self.right.visible)[self.read]


@dataclass(frozen=True)
class Quality:
    """The measures of a video, as defined in this module's docstring. NaN if there is nothing to measure."""

    frames: int
    frames_read: int
    dropped: float  # share of the frames read
    left_visible: float  # share of the frames read
    right_visible: float
    guessed: float  # share of the crops
    body_confidence: float
    left_confidence: float
    right_confidence: float
    blank: float  # share of the joints in the crops
    jitter: float  # shoulder widths
    badness: float


def track_hands(keypoints: np.ndarray, frame: hands.Frame, rules: Manifest) -> Track:
    """The hand crops of a video, as seds.data.hands computes them, and the confidences.

    keypoints: [T,133,3], x px, y px, confidence; joints that are not finite count as not detected.
    """
    points = _finite(keypoints)

    def track(hand: hands.Hand) -> HandTrack:
        boxes = hands.hand_boxes(points, hand, frame, rules)
        confidence = points[:, hand.joints, 2]
        enough = (confidence > rules.visible).sum(axis=1) >= rules.visible_joints
        return HandTrack(boxes, enough & (boxes[:, 2] > 0), confidence.mean(axis=1))

    return Track(
        track(hands.LEFT),
        track(hands.RIGHT),
        points[:, UPPER_BODY, 2].mean(axis=1),
        hands.sample_frames(len(points), rules.max_frames),
    )


def measure(keypoints: np.ndarray, track: Track, rules: Manifest) -> Quality:
    """The measures of a video. keypoints: [T,133,3] with T >= 1, from which `track` was made."""
    points = _finite(keypoints)
    crops = blank = guessed = 0
    for hand, side in ((hands.LEFT, track.left), (hands.RIGHT, track.right)):
        rows = track.read[side.visible[track.read]]
        crops += len(rows)
        guessed += int(side.guessed[rows].sum())
        blank += int((points[rows, hand.joints, 2] <= rules.gate).sum())
    joints = LEFT_HAND.stop - LEFT_HAND.start
    shares = {
        "dropped": float(track.dropped.mean()),
        "left_visible": float(track.left.visible[track.read].mean()),
        "right_visible": float(track.right.visible[track.read].mean()),
        "blank": blank / (crops * joints) if crops else np.nan,
    }
    measured_jitter = jitter(points, rules)
    return Quality(
        frames=len(points),
        frames_read=len(track.read),
        guessed=guessed / crops if crops else np.nan,
        body_confidence=float(track.body.mean()),
        left_confidence=_mean(track.left.confidence[track.left.detected]),
        right_confidence=_mean(track.right.confidence[track.right.detected]),
        jitter=measured_jitter,
        badness=badness(**shares, jitter=measured_jitter),
        **shares,
    )


def badness(dropped: float, left_visible: float, right_visible: float, blank: float, jitter: float) -> float:
    """0 (good) to 1 (bad), by which videos are ranked.

    It is the mean of four shares: frames dropped, hands not visible, joints blank, and jitter in units of RESTLESS, at
    most 1. What could not be measured because no hand was visible counts as 1.
    """
    invisible = 1 - (left_visible + right_visible) / 2
    shares = (dropped, invisible, blank, min(1.0, jitter / RESTLESS))
    return float(np.mean([1.0 if np.isnan(share) else share for share in shares]))


def jitter(keypoints: np.ndarray, rules: Manifest) -> float:
    """Median second difference of wrists and fingers, in shoulder widths; NaN if unknown. keypoints: [T,133,3].

    The shoulder width is the median over the frames in which both shoulders have at least confidence rules.arm.
    """
    shoulders = keypoints[:, _SHOULDERS]  # [T,2,3]
    wide = shoulders[(shoulders[..., 2] >= rules.arm).all(axis=1), :, :2]
    width = np.median(np.linalg.norm(wide[:, 0] - wide[:, 1], axis=1)) if len(wide) else 0.0
    ends = keypoints[:, _ENDS]  # [T,44,3]
    sure = ends[..., 2] > rules.gate
    sure = sure[:-2] & sure[1:-1] & sure[2:]  # [T-2,44]
    if not (width > 0 and sure.any()):
        return float("nan")
    change = np.linalg.norm(np.diff(ends[..., :2].astype(np.float64), 2, axis=0), axis=2)  # [T-2,44] px
    return float(np.median(change[sure]) / width)


def _finite(keypoints: np.ndarray) -> np.ndarray:
    """As hands.retain reads them: joints that are not finite become undetected ones."""
    return np.where(np.isfinite(keypoints).all(axis=2, keepdims=True), keypoints, 0.0)


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
