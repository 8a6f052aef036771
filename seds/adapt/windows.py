"""Windows of pixels around signs: decoded once if memory allows, jittered in time, place and colour for training.

T frames of a window, S = `size` and C = `crop` in px (section rgb of params.yaml). Frames are cut to the signer's box
and resized as the extraction of features does it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from seds.adapt.signs import Segment, Sign, segments
from seds.config import AdaptProfile, Contrast
from seds.rgb.extractor import MEAN, MIDDLE, contrasted, crop_middle, squares
from seds.video import VideoError

MEMORY = 2 << 30  # bytes of frames that are kept; others are decoded again for each window
# Hues lie in a plane of two axes, log(red / green) and log(blue / green). Each of HUES x HUES places, over HUE_REACH to
# both sides, is made darker or brighter and tinted by itself: skin against clothes, one signer's as another's.
HUES, HUE_REACH = 5, 1.2
DARKEST, BRIGHTEST = -1.4, 0.6  # log of the factor on a hue
TINT = 0.15  # standard deviation of what each of its colours gets in addition
LEVELS = 32  # of each colour, for which the change is computed; colours between have that of the nearest
GREY = 12  # grey levels, added before a ratio is taken: dark colours have hardly any hue


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
    fraction of the frame; gain: of each colour; contrast: around the window's mean; hues: of each place in the plane of
    hues, the factor on each colour, float32 [HUES,HUES,3], None = all 1.
    """

    offset: float
    scale: float
    shift: tuple[float, float]
    gain: tuple[float, float, float]
    contrast: float
    mirrored: bool
    hues: np.ndarray | None = None


@dataclass(frozen=True)
class Batch:
    """inputs: float32 [B,3,T,C,C] in [-0.5,0.5]; labels: int64 [B]; markers: float32 [B,M]."""

    inputs: Tensor
    labels: Tensor
    markers: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in vars(self).values()))


class Windows:
    """The signs of a split as windows. markers: how many there are to tell apart; contrast: as of `contrasted`."""

    def __init__(
        self,
        signs: Sequence[Sign],
        markers: int,
        size: int,
        crop: int,
        window: int,
        jitter: float,
        contrast: Contrast = "raw",
        memory: int = MEMORY,
    ) -> None:
        self.signs, self.markers, self.crop, self.window, self.jitter = list(signs), markers, crop, window, jitter
        self.contrast = contrast
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
            draw_hues(profile.recolour, generator) if profile.recolour else None,
        )

    def training_batches(
        self, batches: Iterable[tuple[Sequence[int], Sequence[Draw]]], workers: int
    ) -> Iterator[Batch]:
        """A batch for each pair of signs and how they are changed."""
        with ThreadPoolExecutor(workers) as pool:
            for indices, draws in batches:
                found = list(pool.map(self._jittered, indices, draws))
                pixels = torch.from_numpy(np.stack([pixels for pixels, _ in found]))  # [B,T,C,C,3]
                inputs = pixels.permute(0, 1, 4, 2, 3).float().div_(255).sub_(MEAN)
                inputs = contrasted(inputs, self.contrast).transpose(1, 2)
                inputs = inputs.contiguous(memory_format=torch.channels_last_3d)
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
        crops = (crop_middle(torch.from_numpy(frame), self.crop) for frame in frames)
        return torch.stack([contrasted(crop, self.contrast) for crop in crops], dim=1), first

    def _jittered(self, index: int, draw: Draw) -> tuple[np.ndarray, int]:
        frames, first = self._window(index, draw.offset)
        return jitter(frames, draw, self.crop), first


def draw_hues(most: float, generator: np.random.Generator) -> np.ndarray:
    """The factors of a Draw, changed by `most` of the full range at most."""
    brightness = generator.uniform(DARKEST, BRIGHTEST, (HUES, HUES, 1))
    tint = generator.normal(0, TINT, (HUES, HUES, 3))
    return np.exp(generator.uniform(0, most) * (brightness + tint)).astype(np.float32)


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
    changed = np.stack(
        [
            cv2.LUT(cv2.warpAffine(frame, place, (crop, crop), flags=flags, borderMode=cv2.BORDER_REPLICATE), table)
            for frame in frames
        ]
    )
    return changed if draw.hues is None else recolour(changed, draw.hues)


def recolour(frames: np.ndarray, hues: np.ndarray) -> np.ndarray:
    """uint8 [...,3], each colour times the factor of its hue, [HUES,HUES,3], interpolated between places."""
    centres, red, blue = _colours()
    factors = cv2.remap(hues, red, blue, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    change = np.rint(centres * (factors.reshape(-1, 3) - 1)).astype(np.int16)
    levels = frames // (256 // LEVELS)
    found = (levels[..., 0].astype(np.int32) * LEVELS + levels[..., 1]) * LEVELS + levels[..., 2]
    return np.clip(frames + change[found], 0, 255).astype(np.uint8)


@functools.cache
def _colours() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The LEVELS ** 3 colours, float32 [N,3], and where on the two axes of hues each lies, [LEVELS ** 2, LEVELS]."""
    levels = (np.arange(LEVELS, dtype=np.float32) + 0.5) * (256 / LEVELS)
    centres = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    logs = np.log(centres + GREY)
    red, blue = (((logs[:, colour] - logs[:, 1]) / HUE_REACH + 1) * ((HUES - 1) / 2) for colour in (0, 2))
    shape = (LEVELS**2, LEVELS)
    return centres, red.reshape(shape), blue.reshape(shape)
