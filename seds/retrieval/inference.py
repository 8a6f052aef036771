"""A trained model applied to a split: the matrix of similarities of its videos and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import numpy as np
import torch

from seds.data.split import Split
from seds.model.encoding import encode_texts, encode_videos, videos_a_batch
from seds.model.seds import SEDS
from seds.model.similarity import DUAL_MIX, Tokens, VideoTokens
from seds.retrieval.scoring import Sentences

Name = TypeVar("Name", bound=str | float)


def score(model: SEDS, split: Split) -> dict[str, np.ndarray]:
    """{stream: float32 [videos, sentences]} of a split, of all the model's streams. Sets it to evaluation."""
    return _score(model, split, lambda videos: videos.sequences())


def score_captions(
    model: SEDS,
    split: Split,
    captions: Mapping[int, Sequence[str]],
    translations: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[dict[str, np.ndarray], dict[str, dict[int, np.ndarray]], dict[str, dict[str, np.ndarray]]]:
    """As `score`; {stream: {video: float32 [captions of its sentence]}}; and {language: what `score` would give of it}.

    captions: {sentence: texts that its videos alone are compared with}. translations: {language: a text a sentence}.
    All are on one scale.
    """
    own: dict[str, dict[int, np.ndarray]] = {}
    model.eval()
    others = {language: _sentences(model, split.tokenise(texts)) for language, texts in translations.items()}
    translated: dict[str, dict[str, np.ndarray]] = {language: {} for language in others}

    def compare(rows: np.ndarray, streams: Mapping[str, Tokens]) -> None:
        of_sentence: dict[int, Sentences] = {}  # videos of a sentence may stand in one batch, as they have like lengths
        for i, video in enumerate(rows.tolist()):
            sentence = int(split.sentence_of[video])
            if sentence not in captions:
                continue
            if sentence not in of_sentence:
                of_sentence[sentence] = _sentences(model, split.tokenise(captions[sentence]))
            for stream, tokens in streams.items():
                scores = of_sentence[sentence].scores(tokens.rows(slice(i, i + 1)), DUAL_MIX)
                own.setdefault(stream, {})[video] = (model.logit_scale.exp() * scores[0]).float().cpu().numpy()

        for language, sentences in others.items():
            for stream, tokens in streams.items():
                scores = model.logit_scale.exp() * sentences.scores(tokens, DUAL_MIX)
                shape = len(split.videos), sentences.count
                matrix = translated[language].setdefault(stream, np.empty(shape, np.float32))
                matrix[rows] = scores.float().cpu().numpy()

    return _score(model, split, lambda videos: videos.sequences(), compare), own, translated


def score_weights(
    model: SEDS, split: Split, weights: Sequence[float]
) -> tuple[dict[str, np.ndarray], dict[float, np.ndarray]]:
    """As `score` of the streams pose and RGB, and {weight: the same of the fusion with that weight of pose}."""

    def sequences(videos: VideoTokens) -> dict[str | float, Tokens]:
        parts = videos.map(lambda tokens: tokens.to(model.logit_scale.device))
        found: dict[str | float, Tokens] = {name: parts.sequences()[name] for name in ("pose", "rgb")}
        for weight in weights:
            fused = model.fuse(parts.streams["pose"], parts.streams["rgb"], parts.valid, weight)
            found[weight] = Tokens(fused, parts.valid, model.weigh("fusion", fused, parts.valid))
        return found

    found = _score(model, split, sequences)
    return {stream: found[stream] for stream in ("pose", "rgb")}, {weight: found[weight] for weight in weights}


@torch.inference_mode()
def _score(
    model: SEDS,
    split: Split,
    sequences: Callable[[VideoTokens], Mapping[Name, Tokens]],
    visit: Callable[[np.ndarray, Mapping[Name, Tokens]], None] | None = None,
) -> dict[Name, np.ndarray]:
    """{name: float32 [videos, sentences]}. sequences: a batch of videos -> tokens by name, not yet normalised.

    Every video and sentence is encoded once. Videos are compared as soon as they are encoded, so that memory holds
    the sentences' tokens but only a batch of the videos'; those of like lengths are taken together. visit: is called
    with the videos of each batch, int64 [B], and their tokens by name.
    """
    model.eval()
    sentences, scale = _sentences(model, split.ids), float(model.logit_scale.exp())
    order = np.argsort(split.windows, kind="stable")
    result: dict[Name, np.ndarray] = {}
    done = 0
    for videos in encode_videos(model, split.video_batches(videos_a_batch(model), order)):
        rows = order[done : done + len(videos.valid)]
        tokens = sequences(videos)
        for name, sequence in tokens.items():
            scores = scale * sentences.scores(sequence, DUAL_MIX)
            matrix = result.setdefault(name, np.empty((len(order), sentences.count), np.float32))
            matrix[rows] = scores.float().cpu().numpy()
        if visit is not None:
            visit(rows, tokens)
        done += len(rows)
    return result


def _sentences(model: SEDS, ids: np.ndarray) -> Sentences:
    texts = list(encode_texts(model, ids))
    weights = [part.weights for part in texts if part.weights is not None]
    words = Tokens(
        torch.cat([part.tokens for part in texts]),
        torch.cat([part.valid for part in texts]),
        torch.cat(weights) if weights else None,
    )
    return Sentences(words, model.masked, model.logit_scale.device)
