"""Windows of pixels around signs: decoded once if memory allows, jittered in time, place and colour for training.

T frames of a window, S = `size` and C = `crop` in px (section rgb of params.yaml). Frames are cut to the signer's box
and resized as the extraction of features does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from seds.adapt.signs import Segment, Sign, segments
from seds.config import AdaptProfile
from seds.rgb.extractor import MEAN, MIDDLE, crop_middle, squares
from seds.video import VideoError

MEMORY = 2 << 30  # bytes of frames that are kept; others are decoded again for each window


class Frames:
    """The frames of segments, uint8 [n,S,S,3] each. Those that fit into `memory` bytes are kept when first decoded, in
    the order in which they are asked for; what is returned does not depend on it.
    """

    def __init__(self, parts: Sequence[Segment], size: int, memory: int) -> None:
        self.parts, self.size = parts, size
        self._room, self._kept = memory, dict[int, np.ndarray]()

    def __getitem__(self, number: int) -> np.ndarray:
        """Raises VideoError, OSError, ValueError if the segment cannot be decoded."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        frames = list(squares(self.parts[number].cut(), self.size))
        if not frames:
            raise VideoError(f"{self.parts[number].video.path}: has no frame {self.parts[number].first}")
        stacked = np.stack(frames)
        if self._room >= stacked.nbytes:  # several threads may both find room for one: an excess of some MB
            self._room -= stacked.nbytes
            self._kept[number] = stacked
        return stacked


@dataclass(frozen=True)
class Draw:
    """How a window is changed for training. offset: in frames; scale: of the crop's side; shift: of its centre, a
    fraction of the frame; gain: of each colour; contrast: around the window's mean.
    """

    offset: float
    scale: float
    shift: tuple[float, float]
    gain: tuple[float, float, float]
    contrast: float
    mirrored: bool


@dataclass(frozen=True)
class Batch:
    """inputs: float32 [B,3,T,C,C] in [-0.5,0.5]; labels: int64 [B]; markers: float32 [B,M]."""

    inputs: Tensor
    labels: Tensor
    markers: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


class Windows:
    """The signs of a split as windows. markers: how many there are to tell apart."""

    def __init__(
        self,
        signs: Sequence[Sign],
        markers: int,
        size: int,
        crop: int,
        window: int,
        jitter: float,
        memory: int = MEMORY,
    ) -> None:
        self.signs, self.markers, self.crop, self.window, self.jitter = list(signs), markers, crop, window, jitter
        parts, self._segment_of = segments(signs, window, jitter)
        self.frames = Frames(parts, size, memory)

    def __len__(self) -> int:
        return len(self.signs)

    def drop_unreadable(self, workers: int) -> list[tuple[str, str, str]]:
        """Decode every segment once. The signs of those that cannot be decoded are dropped; returns (reason, video_id,
        detail) of each such segment.
        """
        with ThreadPoolExecutor(workers) as pool:
            faults = list(pool.map(self._fault, range(len(self.frames.parts))))
        kept = [i for i, segment in enumerate(self._segment_of) if not faults[segment]]
        self.signs, self._segment_of = [self.signs[i] for i in kept], [self._segment_of[i] for i in kept]
        return [
            ("cannot be decoded", part.video.video_id, fault)
            for part, fault in zip(self.frames.parts, faults, strict=True)
            if fault
        ]

    def draw(self, profile: AdaptProfile, index: int, generator: np.random.Generator) -> Draw:
        """The change of one sign's window in training."""
        reach = self.signs[index].reach(self.window, self.jitter)
        x, y = generator.uniform(-profile.shift, profile.shift, 2)
        bright = generator.uniform(1 - profile.colour, 1 + profile.colour)
        red, green, blue = bright * generator.uniform(1 - profile.colour / 2, 1 + profile.colour / 2, 3)
        return Draw(
            generator.uniform(-reach, reach),
            generator.uniform(1 - profile.scale, 1 + profile.scale),
            (x, y),
            (red, green, blue),
            generator.uniform(1 - profile.colour, 1 + profile.colour),
            bool(generator.random() < profile.mirror),
        )

    def training_batches(
        self, batches: Iterable[tuple[Sequence[int], Sequence[Draw]]], workers: int
    ) -> Iterator[Batch]:
        """A batch for each pair of signs and how they are changed."""
        with ThreadPoolExecutor(workers) as pool:
            for indices, draws in batches:
                found = list(pool.map(self._jittered, indices, draws))
                pixels = torch.from_numpy(np.stack([pixels for pixels, _ in found]))  # [B,T,C,C,3]
                inputs = pixels.permute(0, 4, 1, 2, 3).float().div_(255).sub_(MEAN)  # channels last in memory
                yield self._batch(inputs, indices, [first for _, first in found])

    def middle_batches(self, size: int, workers: int) -> Iterator[Batch]:
        """Every sign, unchanged: the window around its middle, as features are extracted from it."""
        with ThreadPoolExecutor(workers) as pool:
            for begin in range(0, len(self), size):
                indices = range(begin, min(begin + size, len(self)))
                found = list(pool.map(self._middle, indices))
                inputs = torch.stack([pixels for pixels, _ in found]).contiguous(memory_format=torch.channels_last_3d)
                yield self._batch(inputs, indices, [first for _, first in found])

    def _batch(self, inputs: Tensor, indices: Sequence[int], firsts: Sequence[int]) -> Batch:
        signs = [self.signs[i] for i in indices]
        markers = [sign.markers_in(first, self.window, self.markers) for sign, first in zip(signs, firsts, strict=True)]
        return Batch(inputs, torch.tensor([sign.label for sign in signs]), torch.from_numpy(np.stack(markers)))

    def _fault(self, number: int) -> str:
        """Why a segment cannot be decoded, "" if it can."""
        try:
            self.frames[number]
        except (VideoError, OSError, ValueError) as error:
            return str(error)
        return ""

    def _window(self, index: int, offset: float) -> tuple[np.ndarray, int]:
        """uint8 [T,S,S,3], and its first frame. It stays inside the video; a shorter one repeats its last frame."""
        segment = self._segment_of[index]
        frames, part = self.frames[segment], self.frames.parts[segment]
        first = self.signs[index].first_frame(self.window, offset)
        begin = max(0, min(first - part.first, len(frames) - self.window))
        taken = frames[begin : begin + self.window]
        repeats = np.repeat(taken[-1:], self.window - len(taken), axis=0)
        return np.concatenate([taken, repeats]) if len(repeats) else taken, part.first + begin

    def _middle(self, index: int) -> tuple[Tensor, int]:
        frames, first = self._window(index, 0.0)
        return torch.stack([crop_middle(torch.from_numpy(frame), self.crop) for frame in frames], dim=1), first

    def _jittered(self, index: int, draw: Draw) -> tuple[np.ndarray, int]:
        frames, first = self._window(index, draw.offset)
        return jitter(frames, draw, self.crop), first


def jitter(frames: np.ndarray, draw: Draw, crop: int) -> np.ndarray:
    """uint8 [T,S,S,3] -> [T,C,C,3]: the middle 7/8 as `crop_middle` takes it, but moved, scaled and recoloured."""
    size = frames.shape[1]
    step = MIDDLE * size * draw.scale / (crop - 1)
    x, y = ((size - 1) / 2 + size * shift - step * (crop - 1) / 2 for shift in draw.shift)
    across, begin = (-step, x + step * (crop - 1)) if draw.mirrored else (step, x)
    place = np.array([[across, 0, begin], [0, step, y]])
    levels = np.arange(256)[:, None]
    mean = frames[len(frames) // 2].mean()
    table = np.clip(((levels - mean) * draw.contrast + mean) * np.array(draw.gain), 0, 255).astype(np.uint8)[None]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.stack(
        [
            cv2.LUT(cv2.warpAffine(frame, place, (crop, crop), flags=flags, borderMode=cv2.BORDER_REPLICATE), table)
            for frame in frames
        ]
    )
