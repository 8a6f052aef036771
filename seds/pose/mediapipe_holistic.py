"""MediaPipe Holistic as an estimator of the 133 COCO-WholeBody joints, on a CPU, with weights from its wheel.

Holistic finds one person per frame, the most prominent one in the image, which is the part of the frame that
seds.pose.signer chooses. Tracking restarts with each video, so that a video's keypoints depend on no other.

Keypoints are not smoothed over time, because the filter lags behind quick hands. Where a hand is found with confidence
above 0.5, the body's wrist is moved onto the hand's, which is more accurate. Against the true joints of rendered
signers these two choices raise the share of wrists within 0.1 of the shoulder width from 86 % to 92 % and then to 95 %.

The small toes, which Holistic lacks, stay at zero with confidence 0. The other confidences are:

- body and feet: MediaPipe's visibility;
- face: 1 where a face was found;
- hands, where Holistic only says whether one was found: exp(-(d/s)^2 / 2), with d the distance between the hand's own
  wrist and the body's, and s half the longer side of the hand's box or a quarter of the shoulder width, whichever is
  larger (a fist, or a hand pointing at the camera, looks small). Its typical mistake, a hand found on the other hand or
  on the face, is far from the wrist it belongs to: a hand's length away the confidence is 0.14;
- any joint outside the part of the frame that is looked at: 0.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from seds.config import MediapipeProfile
from seds.pose.signer import SignerExtractor
from seds.skeleton import FACE, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND
from seds.system.prefetch import prefetch
from seds.system.stderr import suppress_native_stderr
from seds.video.boxes import Box, pixels

# COCO-WholeBody joint <- number among the 33 of MediaPipe's body (BlazePose GHUM).
BODY_LANDMARKS = {
    "nose": 0, "left_eye": 2, "right_eye": 5, "left_ear": 7, "right_ear": 8,
    "left_shoulder": 11, "right_shoulder": 12, "left_elbow": 13, "right_elbow": 14, "left_wrist": 15, "right_wrist": 16,
    "left_hip": 23, "right_hip": 24, "left_knee": 25, "right_knee": 26, "left_ankle": 27, "right_ankle": 28,
    "left_heel": 29, "right_heel": 30, "left_big_toe": 31, "right_big_toe": 32,
}  # fmt: skip

# The 68 points of 300-W <- numbers among the 468 of MediaPipe's face mesh. Image left, the signer's right, comes first.
FACE_LANDMARKS = (
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,  # 0-16 jaw, ear to ear, evenly
    71, 63, 105, 66, 107,  # 17-21 right eyebrow, outer end first
    336, 296, 334, 293, 301,  # 22-26 left eyebrow, inner end first
    168, 197, 5, 1,  # 27-30 bridge of the nose, down to its tip
    98, 97, 2, 326, 327,  # 31-35 below the nostrils
    33, 160, 158, 133, 153, 144,  # 36-41 right eye: outer corner, upper lid, inner corner, lower lid
    362, 385, 387, 263, 373, 380,  # 42-47 left eye: inner corner, upper lid, outer corner, lower lid
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,  # 48-59 outer lips: right corner, above, left corner, below
    78, 82, 13, 312, 308, 317, 14, 87,  # 60-67 inner lips, the same way round
)  # fmt: skip

_BODY_TO = [JOINT[name] for name in BODY_LANDMARKS]
_BODY_FROM = list(BODY_LANDMARKS.values())
_FRAMES_AHEAD = 8  # decoded while the networks run; at 1920x1080 they take 50 MB
_TRUSTED_HAND = 0.5  # confidence above which the hand's wrist is the body's
_SHOULDERS = [JOINT["left_shoulder"], JOINT["right_shoulder"]]


def settings(profile: MediapipeProfile) -> dict[str, str]:
    """What determines the result: versions, and the sha256 over the graph and those of its networks that are there."""
    return {
        "estimator": "mediapipe-holistic",
        "estimator_version": version("mediapipe"),
        "complexity": str(profile.complexity),
        "weights_sha256": _weights_sha256(profile.complexity),
    }


def make_extractor(profile: MediapipeProfile, device: str) -> SignerExtractor:
    """The extractor, in the process that uses it; always on the CPU. Raises FileNotFoundError as Holistic does."""
    return SignerExtractor(Holistic(profile.complexity))


class Holistic:
    """Images and where to look -> float32 [T,133,3]: x px, y px, confidence (seds.pose.signer.Estimate).

    complexity: size of the body network, 0 | 1 | 2. The weights of 1 are in the wheel, MediaPipe downloads the others.
    Raises FileNotFoundError if weights are missing and cannot be downloaded.
    """

    margin = 1.25  # hands reach beyond a box drawn around a person at rest; mmpose widens boxes by the same factor

    def __init__(self, complexity: int) -> None:
        import cv2

        cv2.setNumThreads(1)
        with suppress_native_stderr():
            from mediapipe.python.solutions import holistic

            try:
                self._graph = holistic.Holistic(model_complexity=complexity, smooth_landmarks=False)
                self._graph.process(np.zeros((64, 64, 3), np.uint8))  # waits for the networks, which print as they load
            except OSError as error:  # urllib's errors among them
                raise FileNotFoundError(
                    f"{_modules() / _body_model(complexity)} could not be downloaded ({error}); put it there, or set "
                    "complexity: 1 in params.yaml, whose weights are in MediaPipe's wheel"
                ) from None

    def __call__(self, images: Iterable[np.ndarray], view: Box) -> np.ndarray:
        rows, columns = pixels(view)
        keypoints = []
        with suppress_native_stderr():  # to the end: the hands' networks load when the first hand is seen
            self._graph.reset()
            for image in prefetch(images, _FRAMES_AHEAD):
                landmarks = self._graph.process(np.ascontiguousarray(image[rows, columns]))
                keypoints.append(to_wholebody(landmarks, rows, columns))
        return np.stack(keypoints)


def to_wholebody(landmarks: Any, rows: slice, columns: slice) -> np.ndarray:
    """Holistic's result for a crop as float32 [133,3]: x, y in px of the frame, confidence; all zeros if it saw nobody.

    rows, columns: the part of the frame that was cropped.
    """
    keypoints = np.zeros((JOINTS, 3), np.float32)
    if landmarks.pose_landmarks is not None:
        body = landmarks.pose_landmarks.landmark
        keypoints[_BODY_TO, :2] = _pixels(body, rows, columns)[_BODY_FROM]
        keypoints[_BODY_TO, 2] = [body[i].visibility for i in _BODY_FROM]
    if landmarks.face_landmarks is not None:
        keypoints[FACE, :2] = _pixels(landmarks.face_landmarks.landmark, rows, columns)[list(FACE_LANDMARKS)]
        keypoints[FACE, 2] = 1
    left_shoulder, right_shoulder = keypoints[_SHOULDERS, :2]
    shoulders = float(np.linalg.norm(left_shoulder - right_shoulder))
    for joints, wrist, hand in (
        (LEFT_HAND, JOINT["left_wrist"], landmarks.left_hand_landmarks),
        (RIGHT_HAND, JOINT["right_wrist"], landmarks.right_hand_landmarks),
    ):
        if hand is not None:
            # MediaPipe's 21 are in COCO-WholeBody's order.
            keypoints[joints, :2] = _pixels(hand.landmark, rows, columns)
            confidence = hand_confidence(keypoints[joints, :2], keypoints[wrist, :2], shoulders)
            keypoints[joints, 2] = confidence
            if confidence > _TRUSTED_HAND:
                keypoints[wrist, :2] = keypoints[joints.start, :2]
    x, y = keypoints[:, 0], keypoints[:, 1]
    inside = (columns.start <= x) & (x < columns.stop) & (rows.start <= y) & (y < rows.stop)
    keypoints[~inside, 2] = 0
    return keypoints


def hand_confidence(hand: np.ndarray, wrist: np.ndarray, shoulders: float) -> float:
    """Agreement of a hand [21,2] with the body's wrist [2], in (0,1]. `shoulders` is the shoulder width. All in px."""
    side = float(np.ptp(hand, axis=0).max())
    scale = max(side, shoulders / 2) / 2
    distance = float(np.linalg.norm(hand[0] - wrist))
    return math.exp(-((distance / scale) ** 2) / 2)


def _pixels(landmarks: Any, rows: slice, columns: slice) -> np.ndarray:
    """Landmarks, given as fractions of the crop, in px of the frame: float32 [N,2]."""
    width, height = columns.stop - columns.start, rows.stop - rows.start
    return np.array(
        [(columns.start + point.x * width, rows.start + point.y * height) for point in landmarks], np.float32
    )


def _weights_sha256(complexity: int) -> str:
    names = (
        "holistic_landmark/holistic_landmark_cpu.binarypb",
        "holistic_landmark/hand_recrop.tflite",
        "pose_detection/pose_detection.tflite",
        _body_model(complexity),
        "hand_landmark/hand_landmark_full.tflite",
        "face_detection/face_detection_short_range.tflite",
        "face_landmark/face_landmark.tflite",
    )
    digest = hashlib.sha256()  # over all of them, one after another
    for name in names:
        path = _modules() / name
        if path.is_file():  # MediaPipe downloads the networks of other complexities when it first needs them
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _body_model(complexity: int) -> str:
    return f"pose_landmark/pose_landmark_{('lite', 'full', 'heavy')[complexity]}.tflite"


def _modules() -> Path:
    """The folder of MediaPipe's graphs and networks, found without importing it, which takes seconds."""
    spec = find_spec("mediapipe")
    if spec is None or spec.origin is None:
        raise ImportError("mediapipe is not installed; run: make setup")
    return Path(spec.origin).parent / "modules"
