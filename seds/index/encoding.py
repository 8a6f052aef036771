"""Videos and sentences as the tokens that similarities compare: normalised, with what is real and when it is shown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from seds import text
from seds.data.batches import Batch, collate
from seds.data.samples import Video
from seds.index.store import TEXT
from seds.model import encoding
from seds.model.seds import SEDS


@dataclass(frozen=True)
class Encoded:
    """One video or sentence. R tokens: of a video the class token, then one a window; of a sentence byte pairs.

    tokens: {stream: float32 [R,D], on the CPU}, each of length 1; the first `valid` are real. Under the published
    numerics padding takes part in scores and is kept; else all are real.
    """

    tokens: dict[str, Tensor]
    valid: int


def encoded_videos(model: SEDS, videos: Iterable[Video]) -> Iterator[Encoded]:
    """Each video with the model's streams, in their order. model: in evaluation mode."""
    for tokens in encoding.encode_videos(model, _batches(model, videos)):
        yield from _normalised(model, tokens.streams, tokens.valid)


def encoded_texts(model: SEDS, texts: Sequence[str]) -> Iterator[Encoded]:
    """Each sentence with the one stream "text". model: in evaluation mode."""
    for tokens in encoding.encode_texts(model, text.tokenise(texts, model.sizes.max_words)):
        yield from _normalised(model, {TEXT: tokens.tokens}, tokens.valid)


def window_times(video: Video, window: int, edges: np.ndarray) -> np.ndarray:
    """What each window spans, float64 [V,2], s from the start of the video's cut: its first frame to its last's end.

    edges: float64 [T+1] s, when each frame of the cut begins and the last one ends.
    """
    last = np.minimum(video.starts + window - 1, len(video.raw_frames) - 1)
    return np.stack([edges[video.raw_frames[video.starts]], edges[video.raw_frames[last] + 1]], axis=1)


def _batches(model: SEDS, videos: Iterable[Video]) -> Iterator[Batch]:
    """As Split.video_batches makes them, without texts, which the towers of videos do not read."""
    left, least = iter(videos), 1 if model.masked else model.sizes.max_windows
    while some := list(islice(left, encoding.videos_a_batch(model))):
        ids = np.zeros((len(some), 1), np.int64)
        yield collate(some, ids, ids, least)


def _normalised(model: SEDS, streams: dict[str, Tensor], valid: Tensor) -> Iterator[Encoded]:
    """The items of a batch. streams: [B,R,D] each; valid: bool [B,R]."""
    units = {stream: F.normalize(values, dim=-1) for stream, values in streams.items()}
    for row, count in enumerate(valid.sum(1).tolist()):
        kept = count if model.masked else valid.shape[1]
        yield Encoded({stream: values[row, :kept] for stream, values in units.items()}, count)
