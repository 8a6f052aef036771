"""Batches of videos and sentences: padded tensors, made in advance by a thread."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor

from seds.data.samples import Video
from seds.system.prefetch import prefetch

T = TypeVar("T")

AHEAD = 2  # batches made in advance: one waits while the next is made; a batch of 128 long videos takes 50 MB
_SERIAL = 32_767  # elements that torch converts in the calling thread; for more it wakes threads that the step needs


def collate(
    videos: Sequence[Video],
    ids: np.ndarray,
    ids_swapped: np.ndarray,
    least_windows: int = 1,
    least_words: int = 1,
    least_frames: int = 1,
) -> Batch:
    """A batch, padded with zeros to its longest video; ids are cut after its longest text.

    ids, ids_swapped: int64 [B, max_words]. least_windows, least_words, least_frames: to pad to at least.
    """
    frames = [len(video.left) for video in videos]
    longest = max(least_frames, *frames)
    slots = max(least_windows, *(len(video.starts) for video in videos))
    starts = np.full((len(videos), slots), -1, np.int64)
    for i, video in enumerate(videos):
        starts[i, : len(video.starts)] = video.starts
    words = max(least_words, count_words(ids), count_words(ids_swapped))
    return Batch(
        left=_padded([video.left for video in videos], longest),
        right=_padded([video.right for video in videos], longest),
        body=_padded([video.body for video in videos], longest),
        frames=torch.tensor(frames),
        window_starts=torch.from_numpy(starts),
        rgb=_padded_rgb(videos, slots),
        ids=torch.from_numpy(ids[:, :words]),
        ids_swapped=torch.from_numpy(ids_swapped[:, :words]),
    )


def count_words(ids: np.ndarray) -> int:
    """The tokens of the longest text, which ends with the end token: that has the largest id."""
    return int(ids.argmax(axis=1).max()) + 1


def feed(batches: Iterable[tuple[T, Batch]], device: torch.device, depth: int = AHEAD) -> Generator[tuple[T, Batch]]:
    """The same items with their batches on `device`; a thread makes up to `depth` of them in advance, 0 = no thread.

    An exception from `batches` is raised at its place in the sequence. Batches are copied to a GPU from pinned memory,
    while it computes what was queued before. Where the loop may end early, close the iterator (contextlib.closing),
    which ends the thread.
    """
    source = _pinned(batches, device) if device.type == "cuda" else iter(batches)
    items = prefetch(source, depth) if depth else source
    try:
        for item, batch in items:
            yield item, batch.to(device, non_blocking=True)
    finally:
        if close := getattr(items, "close", None):
            close()


def _pinned(batches: Iterable[tuple[T, Batch]], device: torch.device) -> Iterator[tuple[T, Batch]]:
    for item, batch in batches:
        with torch.cuda.device(device):  # in this thread; else pinning would take memory of GPU 0 for every process
            pinned = Batch(**{f.name: getattr(batch, f.name).pin_memory() for f in fields(batch)})
        yield item, pinned


def _padded(arrays: Sequence[np.ndarray], length: int) -> Tensor:
    padded = _empty(len(arrays), length, *arrays[0].shape[1:])
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
        row[len(array) :] = 0
    return torch.from_numpy(padded)


def _padded_rgb(videos: Sequence[Video], slots: int) -> Tensor:
    padded = torch.from_numpy(_empty(len(videos), slots, videos[0].features.shape[1]))
    step = max(1, _SERIAL // max(1, padded.shape[2]))
    for row, video in zip(padded, videos, strict=True):
        for start in range(0, len(video.nearest), step):
            windows = video.nearest[start : start + step]
            # torch converts half precision with an instruction of the processor, thirty times as fast as NumPy.
            row[start : start + len(windows)] = torch.from_numpy(video.features[windows])
        row[len(video.nearest) :] = 0
    return padded


def _empty(*shape: int) -> np.ndarray:
    # Not zeros, and not torch's: for this NumPy requests large pages, few of which the system then has to clear.
    return np.empty(shape, np.float32)


Numerics = Literal["default", "published"]


@dataclass(frozen=True)
class Batch:
    """B videos, each with its sentence. T, V and L are at least the longest of the batch.

    Padding influences the `published` numerics, for which V and L must be max_windows and max_words.
    """

    left: Tensor  # float32 [B, T, 21, 2], px in a frame of 256 (SPEC 4); zeros after a video's frames
    right: Tensor  # float32 [B, T, 21, 2]
    body: Tensor  # float32 [B, T, 7, 2]
    frames: Tensor  # int64 [B], retained frames
    window_starts: Tensor  # int64 [B, V], in retained frames; -1 = unused
    rgb: Tensor  # float32 [B, V, rgb_features], zeros where unused
    ids: Tensor  # int64 [B, L], seds.text
    ids_swapped: Tensor  # int64 [B, L], two words swapped in training; else equal to ids

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        return Batch(**{f.name: getattr(self, f.name).to(device, non_blocking=non_blocking) for f in fields(self)})
