"""A trained model applied to a split: tokens of every video and sentence, and the matrix of their similarities."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds.batches import feed
from seds.data import Split
from seds.model import SEDS, TextTokens, VideoTokens

VIDEO_BATCH = 32
TEXT_BATCH = 256
# A block of the similarity holds Bv x Bt x 65 x 32 products: 34 MB for 32 x 128.
SIMILARITY_BLOCK = (32, 128)


@torch.inference_mode()
def encode(model: SEDS, split: Split) -> tuple[VideoTokens, TextTokens]:
    """Tokens of every video, each encoded once, and of every sentence, on the CPU. Sets the model to evaluation.

    Under `published` numerics a video's tokens depend on the padding of its batch, so each video is a batch of its own.
    """
    model.eval()
    device = model.logit_scale.device
    batch = VIDEO_BATCH if model.masked else 1
    videos = [model.encode_video(part) for _, part in feed(enumerate(split.video_batches(batch)), device)]
    texts = [model.encode_text(part.to(device)) for part in torch.from_numpy(split.ids).split(TEXT_BATCH)]
    streams = {name: _join([video.streams[name] for video in videos]) for name in model.streams}
    return (
        VideoTokens(streams, _join([video.valid for video in videos])),
        TextTokens(_join([text.tokens for text in texts]), _join([text.valid for text in texts])),
    )


@torch.inference_mode()
def similarities(model: SEDS, videos: VideoTokens, texts: TextTokens, dual_mix: float = 0.5) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]}, block by block, so that memory does not grow with the corpus."""
    device = model.logit_scale.device
    rows, columns = len(videos.valid), len(texts.valid)
    tall, wide = SIMILARITY_BLOCK
    result: dict[str, np.ndarray] = {}
    for top in range(0, rows, tall):
        some_videos = videos.map(_moved(slice(top, top + tall), device))
        for left in range(0, columns, wide):
            some_texts = texts.map(_moved(slice(left, left + wide), device))
            block = model.similarity(some_videos, some_texts, dual_mix)
            for stream, values in block.items():
                matrix = result.setdefault(stream, np.empty((rows, columns), np.float32))
                matrix[top : top + tall, left : left + wide] = values.float().cpu().numpy()
    return result


def _moved(rows: slice, device: torch.device) -> Callable[[Tensor], Tensor]:
    return lambda tensor: tensor[rows].to(device)


def _join(parts: list[Tensor]) -> Tensor:
    """[B, T, ...] concatenated along the batch; shorter ones are padded to the longest with zeros, valid ones False."""
    longest = max(part.shape[1] for part in parts)
    return torch.cat([F.pad(part.cpu(), (0, 0) * (part.dim() - 2) + (0, longest - part.shape[1])) for part in parts])
