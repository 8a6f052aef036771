"""A trained model applied to a split: tokens of every video and sentence, and the matrix of their similarities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds.data.batches import feed
from seds.data.split import Split
from seds.model.seds import SEDS, TextTokens, VideoTokens
from seds.model.similarity import Tokens
from seds.retrieval.scoring import Sentences

VIDEO_BATCH = 32
TEXT_BATCH = 256


def score(
    model: SEDS, split: Split, dual_mix: float = 0.5, streams: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]} of a split, of all the model's streams or some. Sets it to evaluation.

    Every video and sentence is encoded once. Videos are compared as soon as they are encoded, so that memory holds
    the sentences' tokens but only a batch of the videos'; those of like lengths are taken together.
    """
    order = np.argsort(split.windows, kind="stable")
    sentences = _sentences(model, encode_texts(model, split))
    names = model.streams if streams is None else tuple(streams)
    result = {name: np.empty((len(order), sentences.count), np.float32) for name in names}
    done = 0
    for videos in encode_videos(model, split, order):
        rows = order[done : done + len(videos.valid)]
        for name, block in _compared(model, videos, sentences, dual_mix, names).items():
            result[name][rows] = block
        done += len(rows)
    return result


def encode(model: SEDS, split: Split) -> tuple[VideoTokens, TextTokens]:
    """Tokens of every video and sentence, each encoded once, on the CPU. Sets the model to evaluation."""
    parts = list(encode_videos(model, split))
    return _joined(parts), encode_texts(model, split)


@torch.inference_mode()
def encode_videos(model: SEDS, split: Split, order: np.ndarray | None = None) -> Iterator[VideoTokens]:
    """Tokens of the videos in `order` (int [videos]; None = as they come), on the CPU, about VIDEO_BATCH at a time.

    Under `published` numerics a video's tokens depend on the padding of its batch, so each is encoded by itself.
    """
    model.eval()
    device = model.logit_scale.device
    together = VIDEO_BATCH if model.masked else 1
    waiting: list[VideoTokens] = []
    for _, batch in feed(enumerate(split.video_batches(together, order)), device):
        waiting.append(model.encode_video(batch).map(Tensor.cpu))
        if len(waiting) * together >= VIDEO_BATCH:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


@torch.inference_mode()
def encode_texts(model: SEDS, split: Split) -> TextTokens:
    """Tokens of every sentence, on the CPU. Sets the model to evaluation."""
    model.eval()
    device = model.logit_scale.device
    parts = [model.encode_text(part.to(device)) for part in torch.from_numpy(split.ids).split(TEXT_BATCH)]
    return TextTokens(torch.cat([part.tokens for part in parts]), torch.cat([part.valid for part in parts])).map(
        Tensor.cpu
    )


def similarities(
    model: SEDS,
    videos: VideoTokens,
    texts: TextTokens,
    dual_mix: float = 0.5,
    streams: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]} of tokens that are at hand, of all the videos' streams or some."""
    names = tuple(videos.streams) if streams is None else streams
    return _compared(model, videos, _sentences(model, texts), dual_mix, names)


def _sentences(model: SEDS, texts: TextTokens) -> Sentences:
    return Sentences(Tokens(texts.tokens, texts.valid), model.masked, model.logit_scale.device)


@torch.inference_mode()
def _compared(
    model: SEDS, videos: VideoTokens, sentences: Sentences, dual_mix: float, names: Sequence[str]
) -> dict[str, np.ndarray]:
    scale = float(model.logit_scale.exp())
    return {
        name: (scale * sentences.scores(Tokens(videos.streams[name], videos.valid), dual_mix)).float().cpu().numpy()
        for name in names
    }


def _joined(parts: list[VideoTokens]) -> VideoTokens:
    """Concatenated along the batch; shorter sequences are padded to the longest with zeros that are not valid."""
    longest = max(part.valid.shape[1] for part in parts)

    def stack(tensors: Sequence[Tensor]) -> Tensor:
        return torch.cat([F.pad(t, (0, 0) * (t.dim() - 2) + (0, longest - t.shape[1])) for t in tensors])

    streams = {name: stack([part.streams[name] for part in parts]) for name in parts[0].streams}
    return VideoTokens(streams, stack([part.valid for part in parts]))
