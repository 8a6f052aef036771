"""All tokens of a split at once, and their similarities: what scoring batch by batch is compared with."""

import numpy as np
import torch

from seds.data.split import Split
from seds.model import encoding
from seds.model.seds import SEDS
from seds.model.similarity import TextTokens, Tokens, VideoTokens
from seds.retrieval.scoring import Sentences


def encode(model: SEDS, split: Split) -> tuple[VideoTokens, TextTokens]:
    """Tokens of every video and sentence, in their order."""
    model.eval()
    batches = split.video_batches(encoding.videos_a_batch(model))
    texts = list(encoding.encode_texts(model, split.ids))
    return encoding.join(list(encoding.encode_videos(model, batches))), TextTokens(
        torch.cat([part.tokens for part in texts]), torch.cat([part.valid for part in texts])
    )


def similarities(model: SEDS, videos: VideoTokens, texts: TextTokens, dual_mix: float) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]}."""
    sentences = Sentences(Tokens(texts.tokens, texts.valid), model.masked, "cpu")
    scale = float(model.logit_scale.exp())
    return {
        stream: (scale * sentences.scores(Tokens(values, videos.valid), dual_mix)).numpy()
        for stream, values in videos.streams.items()
    }
