"""A trained model applied to a split: the matrix of similarities of its videos and sentences."""

from __future__ import annotations

import numpy as np
import torch

from seds.data.split import Split
from seds.model.encoding import encode_texts, encode_videos, videos_a_batch
from seds.model.seds import SEDS
from seds.model.similarity import DUAL_MIX, Tokens
from seds.retrieval.scoring import Sentences


@torch.inference_mode()
def score(model: SEDS, split: Split) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]} of a split, of all the model's streams. Sets it to evaluation.

    Every video and sentence is encoded once. Videos are compared as soon as they are encoded, so that memory holds
    the sentences' tokens but only a batch of the videos'; those of like lengths are taken together.
    """
    model.eval()
    texts = list(encode_texts(model, split.ids))
    words = Tokens(torch.cat([part.tokens for part in texts]), torch.cat([part.valid for part in texts]))
    sentences, scale = Sentences(words, model.masked, model.logit_scale.device), float(model.logit_scale.exp())
    order = np.argsort(split.windows, kind="stable")
    result = {stream: np.empty((len(order), sentences.count), np.float32) for stream in model.streams}
    done = 0
    for videos in encode_videos(model, split.video_batches(videos_a_batch(model), order)):
        rows = order[done : done + len(videos.valid)]
        for stream, values in videos.streams.items():
            scores = scale * sentences.scores(Tokens(values, videos.valid), DUAL_MIX)
            result[stream][rows] = scores.float().cpu().numpy()
        done += len(rows)
    return result
