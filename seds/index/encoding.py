"""Videos and sentences as the tokens that similarities compare: normalised, with what is real and when it is shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds import text
from seds.data.batches import collate
from seds.data.samples import Video
from seds.model.seds import SEDS


@dataclass(frozen=True)
class Encoded:
    """One video or sentence. R tokens: of a video the class token, then one a window; of a sentence byte pairs.

    tokens: {stream: float32 [R,D], on the CPU}, each of length 1; the first `valid` are real. Under the published
    numerics padding takes part in scores and is kept; else all are real.
    """

    tokens: dict[str, Tensor]
    valid: int


@torch.inference_mode()
def encode_videos(model: SEDS, videos: Sequence[Video]) -> list[Encoded]:
    """Each with the model's streams. One batch, unless padding takes part: then each video is a batch of its own."""
    if not model.masked and len(videos) > 1:
        return [encoded for video in videos for encoded in encode_videos(model, [video])]
    ids = np.zeros((len(videos), 1), np.int64)  # a batch has texts; the towers of videos do not read them
    least = 1 if model.masked else model.sizes.max_windows
    found = model.encode_video(collate(videos, ids, ids, least).to(model.logit_scale.device))
    counts = found.valid.sum(1).tolist()
    tokens = {stream: F.normalize(values, dim=-1).cpu() for stream, values in found.streams.items()}
    kept = counts if model.masked else [found.valid.shape[1]] * len(videos)
    return [
        Encoded({stream: values[i, : kept[i]] for stream, values in tokens.items()}, counts[i])
        for i in range(len(videos))
    ]


@torch.inference_mode()
def encode_texts(model: SEDS, texts: Sequence[str]) -> list[Encoded]:
    """Each with the one stream "text"."""
    ids = torch.from_numpy(text.tokenise(texts, model.sizes.max_words))
    found = model.encode_text(ids.to(model.logit_scale.device))
    counts = found.valid.sum(1).tolist()
    tokens = F.normalize(found.tokens, dim=-1).cpu()
    return [
        Encoded({"text": row[:count] if model.masked else row}, count)
        for row, count in zip(tokens, counts, strict=True)
    ]


def window_times(video: Video, window: int, edges: np.ndarray) -> np.ndarray:
    """What each window spans, float64 [V,2], s from the start of the video's cut: its first frame to its last's end.

    edges: float64 [T+1] s, when each frame of the cut begins and the last one ends.
    """
    last = np.minimum(video.starts + window - 1, len(video.raw_frames) - 1)
    return np.stack([edges[video.raw_frames[video.starts]], edges[video.raw_frames[last] + 1]], axis=1)
