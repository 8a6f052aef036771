"""Batches of videos of which a part is hidden: the frames of all end to end, and the windows that they are seen in.

N frames, W windows of `window` frames. The parts are those of the pose encoder: left and right hand [N,21,2], body
[N,7,2], px of a crop or frame of 256 (SPEC 4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from seds.config import PretrainProfile
from seds.data.joints import UPPER_BODY
from seds.pretrain.masking import hide
from seds.skeleton import HAND_NAMES, LEFT_HAND, RIGHT_HAND

PARTS = ("left", "right", "body")  # in the order of PoseEncoder.frame_features
COUNTS = {"left": len(HAND_NAMES), "right": len(HAND_NAMES), "body": len(UPPER_BODY)}  # J
_JOINTS: dict[str, slice | list[int]] = {"left": LEFT_HAND, "right": RIGHT_HAND, "body": list(UPPER_BODY)}  # of the 133


@dataclass(frozen=True)
class Keypoints:
    """What there is to learn from in a video. joints: by part, float32 [F,J,2] px; confidences: float32 [F,J].

    A hand is not there in a frame in which all its joints lie at 0, 0.
    """

    joints: Mapping[str, np.ndarray]
    confidences: Mapping[str, np.ndarray]


class Videos(Protocol):
    """What is learnt from: a list of Keypoints, or what makes them when asked."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: int, /) -> Keypoints: ...


@dataclass(frozen=True)
class Batch:
    """hidden: the parts as the encoder sees them; joints: as they are; weights: float32 [N,J], how much each joint
    counts in what is restored, 0 = not at all. lengths: int64 [B], the frames of each video. windows: int64 [W,window],
    frames.
    """

    hidden: dict[str, Tensor]
    joints: dict[str, Tensor]
    weights: dict[str, Tensor]
    lengths: Tensor
    windows: Tensor

    def to(self, device: torch.device) -> Batch:
        moved = {
            name: {part: tensor.to(device) for part, tensor in getattr(self, name).items()}
            for name in ("hidden", "joints", "weights")
        }
        return Batch(**moved, lengths=self.lengths.to(device), windows=self.windows.to(device))


def confidences_of(keypoints: np.ndarray, frames: np.ndarray) -> dict[str, np.ndarray]:
    """The confidence of each joint of the parts in some frames; 0 where a joint is not finite. keypoints: [T,133,3]."""
    points = keypoints[frames]
    found = np.where(np.isfinite(points).all(axis=2), points[..., 2], 0.0).astype(np.float32)
    return {part: found[:, joints] for part, joints in _JOINTS.items()}


def make_batch(
    videos: Sequence[Keypoints], window: int, profile: PretrainProfile, generator: np.random.Generator
) -> Batch:
    """Hide something in each video, and place windows that cover it, the first two by chance."""
    hidden: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    joints: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    weights: dict[str, list[np.ndarray]] = {part: [] for part in PARTS}
    lengths: list[int] = []
    windows: list[np.ndarray] = []
    for video in videos:
        frames = len(video.joints["body"])
        shown = np.minimum(np.arange(max(frames, window)), frames - 1)  # a short one repeats its last frame (SPEC 5)
        for part in PARTS:
            positions = video.joints[part][shown]
            present = positions.any(axis=2)  # bool [F,J]
            changed, restored = hide(positions, present.any(axis=1), profile, generator)
            hidden[part].append(changed)
            joints[part].append(positions)
            confidence = video.confidences[part][shown]
            weight = np.where(confidence >= profile.confident, 1.0, confidence) * (present & restored[:, None])
            weights[part].append(weight.astype(np.float32))
        starts = starts_of(len(shown), window, generator)
        windows.append(sum(lengths) + starts[:, None] + np.arange(window))
        lengths.append(len(shown))

    def joined(arrays: dict[str, list[np.ndarray]]) -> dict[str, Tensor]:
        return {part: torch.from_numpy(np.concatenate(rows)) for part, rows in arrays.items()}

    return Batch(
        joined(hidden),
        joined(joints),
        joined(weights),
        torch.tensor(lengths),
        torch.from_numpy(np.concatenate(windows)),
    )


def starts_of(frames: int, window: int, generator: np.random.Generator) -> np.ndarray:
    """Starts of windows that cover `frames` frames, int64 ascending: the first, the last, and between them one after
    another from a random frame on.
    """
    last = frames - window
    return np.unique([0, *range(int(generator.integers(1, window + 1)), last, window), last])
