"""Keypoints as .pose files, a format of sign-language tools (pose-format, Moryossef et al., 2021).

A file has one video and one person: the 133 COCO-WholeBody joints of seds.skeleton in the components BODY, FEET, FACE,
LEFT_HAND and RIGHT_HAND, x and y in px of the frame, confidence in [0,1], frame rate and frame size in the header. A
joint that was not detected has confidence 0; pose-format masks it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds.data.joints import HAND_BONES
from seds.errors import SedsError
from seds.messages import safe_filename
from seds.shards import ShardReader
from seds.show.draw import BODY_BONES, FACE_LINES
from seds.skeleton import BODY, FACE, FOOT, JOINT, JOINT_NAMES, LEFT_HAND, RIGHT_HAND
from seds.system.files import atomic_write

VERSION = 0.2  # of the format; pose-format 0.15 reads and writes it
INDEX = "videos.parquet"
COMPONENTS = {"BODY": BODY, "FEET": FOOT, "FACE": FACE, "LEFT_HAND": LEFT_HAND, "RIGHT_HAND": RIGHT_HAND}
_COLOURS = {
    "BODY": (170, 170, 170), "FEET": (170, 170, 170), "FACE": (120, 120, 120), "LEFT_HAND": (255, 140, 0),
    "RIGHT_HAND": (0, 200, 80),
}  # fmt: skip


class ExportError(SedsError, ValueError):
    """Something cannot be exported; the message says why, and what to do."""


def export_keypoints(videos: pd.DataFrame, pose: ShardReader, output: Path) -> int:
    """Write <output>/<video>.pose for each video that has keypoints, and videos.parquet, which lists the files.

    videos: the VIDEOS table. Returns the number of files. Raises ExportError, ShardError.
    """
    exported = videos[[video_id in pose for video_id in videos["video_id"]]]
    if exported.empty:
        raise ExportError(f"{pose.folder}: no video has keypoints; run: dvc repro pose@{pose.folder.name}")
    names = [f"{safe_filename(video_id)}.pose" for video_id in exported["video_id"]]
    for name, video in zip(names, exported.itertuples(), strict=True):
        (keypoints,) = pose.read(video.video_id, ("keypoints",))
        write_pose(output / name, keypoints, video.width, video.height, video.fps)
    columns = ["video_id", "sentence_id", "split", "text", "text_original", "language", "signer", "fps"]
    with atomic_write(output / INDEX) as temporary:
        exported[columns].assign(file=names).to_parquet(temporary, index=False)
    return len(exported)


def write_pose(path: Path, keypoints: np.ndarray, width: int, height: int, fps: float) -> None:
    """keypoints: [T,133,3], x px, y px, confidence; joints that are not finite count as not detected."""
    from pose_format import Pose
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeader, PoseHeaderDimensions

    points = np.where(np.isfinite(keypoints).all(2, keepdims=True), keypoints, 0).astype(np.float32)[:, None]
    header = PoseHeader(VERSION, PoseHeaderDimensions(width, height), _components())
    with atomic_write(path, sync=False) as temporary, temporary.open("wb") as file:  # one of tens of thousands
        Pose(header, NumPyPoseBody(fps, points[..., :2], points[..., 2])).write(file)


def _components() -> list[Any]:
    from pose_format.pose_header import PoseHeaderComponent

    components = []
    for name, joints in COMPONENTS.items():
        limbs = [
            (a - joints.start, b - joints.start)
            for a, b in _bones()
            if joints.start <= a < joints.stop and joints.start <= b < joints.stop
        ]
        colours = [_COLOURS[name]] * len(limbs)
        components.append(PoseHeaderComponent(name, list(JOINT_NAMES[joints]), limbs, colours, "XYC"))
    return components


def _bones() -> Iterable[tuple[int, int]]:
    """Pairs of joints with a bone between them, also of different components."""
    yield from ((JOINT[a], JOINT[b]) for a, b, _ in BODY_BONES)
    for run, closed in FACE_LINES:
        points: Sequence[int] = [FACE.start + i for i in run]
        yield from pairwise([*points, *points[:1]] if closed else points)
    for hand in (LEFT_HAND, RIGHT_HAND):
        yield from ((hand.start + a, hand.start + b) for a, b in HAND_BONES)
