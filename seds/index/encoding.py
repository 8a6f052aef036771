"""Videos and sentences as normalised tokens, as similarities compare them, and the times of windows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from seds.data.batches import Batch, collate
from seds.data.samples import Video
from seds.data.tokens import tokenise
from seds.index.store import TEXT
from seds.model import encoding
from seds.model.seds import SEDS


@dataclass(frozen=True)
class Encoded:
    """One video or sentence. R tokens: a video has the class token, then one per window; a sentence its byte pairs.

    tokens: {stream: float32 [R,D], on the CPU}, each of length 1; the first `valid` are real. Under the published
    numerics, where it influences scores, padding is kept; otherwise all are real. weights: {stream: float32 [R]}, what
    a token counts for, 1 in sum; {} = all real ones count alike.
    """

    tokens: dict[str, Tensor]
    valid: int
    weights: dict[str, Tensor] = field(default_factory=dict)


def encoded_videos(model: SEDS, videos: Iterable[Video]) -> Iterator[Encoded]:
    """The videos in their order, each with the model's streams. model: in evaluation mode."""
    for tokens in encoding.encode_videos(model, _batches(model, videos)):
        yield from _normalised(model, tokens.streams, tokens.valid, tokens.weights)


def encoded_texts(model: SEDS, texts: Sequence[str]) -> Iterator[Encoded]:
    """The sentences in their order, each with the one stream "text". model: in evaluation mode."""
    for tokens in encoding.encode_texts(model, tokenise(texts, model.sizes)):
        weights = {} if tokens.weights is None else {TEXT: tokens.weights}
        yield from _normalised(model, {TEXT: tokens.tokens}, tokens.valid, weights)


def window_times(video: Video, window: int, edges: np.ndarray) -> np.ndarray:
    """When each window begins and ends, float64 [V,2], s from the start of the video's cut.

    edges: float64 [T+1] s, when each frame of the cut begins and the last one ends.
    """
    last = np.minimum(video.starts + window - 1, len(video.raw_frames) - 1)
    return np.stack([edges[video.raw_frames[video.starts]], edges[video.raw_frames[last] + 1]], axis=1)


def _batches(model: SEDS, videos: Iterable[Video]) -> Iterator[Batch]:
    """As Split.video_batches makes them, but without texts, which the video towers do not read."""
    remaining, least = iter(videos), 1 if model.masked else model.sizes.max_windows
    while group := list(islice(remaining, encoding.videos_a_batch(model))):
        ids = np.zeros((len(group), 1), np.int64)
        yield collate(group, ids, ids, least)


def _normalised(
    model: SEDS, streams: dict[str, Tensor], valid: Tensor, weights: dict[str, Tensor]
) -> Iterator[Encoded]:
    """The items of a batch. streams: [B,R,D] each; valid: bool [B,R]; weights: [B,R] each, or {}."""
    normalised = {stream: F.normalize(values, dim=-1) for stream, values in streams.items()}
    for row, count in enumerate(valid.sum(1).tolist()):
        length = count if model.masked else valid.shape[1]
        tokens, counts_for = (
            {stream: values[row, :length] for stream, values in named.items()} for named in (normalised, weights)
        )
        yield Encoded(tokens, count, counts_for)
