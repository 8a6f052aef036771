"""A trained model applied to many videos or sentences: their tokens, batch by batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds.data.batches import Batch, feed
from seds.model.seds import SEDS
from seds.model.similarity import TextTokens, VideoTokens

VIDEO_BATCH = 32
TEXT_BATCH = 256


def videos_a_batch(model: SEDS) -> int:
    """How many videos are to make a batch for `encode_videos`.

    Under `published` numerics a video's tokens depend on the padding of its batch, so there each is encoded by itself.
    """
    return VIDEO_BATCH if model.masked else 1


@torch.inference_mode()
def encode_videos(model: SEDS, batches: Iterable[Batch]) -> Iterator[VideoTokens]:
    """Tokens of the videos, on the CPU, about VIDEO_BATCH at a time; the next batches are made in a thread meanwhile.

    batches: of `videos_a_batch` each. model: in evaluation mode.
    """
    waiting: list[VideoTokens] = []
    for _, batch in feed(enumerate(batches), model.logit_scale.device):
        waiting.append(model.encode_video(batch).map(Tensor.cpu))
        if sum(len(part.valid) for part in waiting) >= VIDEO_BATCH:
            yield join(waiting)
            waiting = []
    if waiting:
        yield join(waiting)


@torch.inference_mode()
def encode_texts(model: SEDS, ids: np.ndarray) -> Iterator[TextTokens]:
    """Tokens of sentences, on the CPU, TEXT_BATCH at a time. ids: int64 [N, max_words]. model: in evaluation mode."""
    for part in torch.from_numpy(ids).split(TEXT_BATCH):
        yield model.encode_text(part.to(model.logit_scale.device)).map(Tensor.cpu)


def join(parts: Sequence[VideoTokens]) -> VideoTokens:
    """Concatenated along the batch; shorter sequences are padded to the longest with zeros that are not valid."""
    longest = max(part.valid.shape[1] for part in parts)

    def stack(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([F.pad(t, (0, 0) * (t.dim() - 2) + (0, longest - t.shape[1])) for t in tensors])

    streams = {stream: stack([part.streams[stream] for part in parts]) for stream in parts[0].streams}
    weights = {stream: stack([part.weights[stream] for part in parts]) for stream in parts[0].weights}
    return VideoTokens(streams, stack([part.valid for part in parts]), weights)
