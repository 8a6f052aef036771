"""A trained model applied to a split: tokens of every video and sentence, and the matrix of their similarities."""

from __future__ import annotations

from dataclasses import fields
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds.data import Split
from seds.model import SEDS, TextTokens, VideoTokens

VIDEO_BATCH = 32
TEXT_BATCH = 256
# A block of the similarity holds Bv x Bt x 65 x 32 products: 34 MB for 32 x 128.
SIMILARITY_BLOCK = (32, 128)

AnyTokens = TypeVar("AnyTokens", VideoTokens, TextTokens)


@torch.inference_mode()
def encode(model: SEDS, split: Split) -> tuple[VideoTokens, TextTokens]:
    """Tokens of every video, each encoded once, and of every sentence, on the CPU. Sets the model to evaluation.

    Under `published` numerics a video's tokens depend on the padding of its batch, so each video is a batch of its own.
    """
    model.eval()
    device = model.logit_scale.device
    batch = VIDEO_BATCH if model.masked else 1
    videos = [model.encode_video(part.to(device)) for part in split.video_batches(batch)]
    texts = [model.encode_text(part.to(device)) for part in torch.from_numpy(split.ids).split(TEXT_BATCH)]
    return _join(videos), _join(texts)


@torch.inference_mode()
def similarities(model: SEDS, videos: VideoTokens, texts: TextTokens, dual_mix: float = 0.5) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]}, block by block, so that memory does not grow with the corpus."""
    device = model.logit_scale.device
    rows, columns = len(videos.valid), len(texts.valid)
    tall, wide = SIMILARITY_BLOCK
    result: dict[str, np.ndarray] = {}
    for top in range(0, rows, tall):
        some_videos = _part(videos, slice(top, top + tall), device)
        for left in range(0, columns, wide):
            block = model.similarity(some_videos, _part(texts, slice(left, left + wide), device), dual_mix)
            for stream, values in block.items():
                matrix = result.setdefault(stream, np.empty((rows, columns), np.float32))
                matrix[top : top + tall, left : left + wide] = values.float().cpu().numpy()
    return result


def _part(tokens: AnyTokens, rows: slice, device: torch.device) -> AnyTokens:
    return type(tokens)(**{f.name: getattr(tokens, f.name)[rows].to(device) for f in fields(tokens)})


def _join(parts: list[AnyTokens]) -> AnyTokens:
    """Concatenated along the batch; shorter sequences are padded to the longest with zeros that are not valid."""

    def stack(tensors: list[Tensor]) -> Tensor:
        longest = max(tensor.shape[1] for tensor in tensors)
        return torch.cat([F.pad(t.cpu(), (0, 0) * (t.dim() - 2) + (0, longest - t.shape[1])) for t in tensors])

    return type(parts[0])(**{f.name: stack([getattr(part, f.name) for part in parts]) for f in fields(parts[0])})
