"""Scores of sequences that lie end to end, against the model's similarity of padded batches."""

import dataclasses

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from seds.index.store import Sequences
from seds.model.similarity import Tokens, text_to_video, video_to_text
from seds.search import ranking

WIDTH = 8


def stored(lengths: list[int], valid: list[int], generator: torch.Generator) -> Sequences:
    tokens = F.normalize(torch.randn(sum(lengths), WIDTH, generator=generator), dim=-1)
    offsets = torch.tensor([0, *np.cumsum(lengths)])
    pooled = torch.stack([tokens[start : start + n].mean(0) for start, n in zip(offsets, valid, strict=False)])
    return Sequences(tokens, pooled, offsets, torch.tensor(valid))


def padded(sequences: Sequences) -> Tokens:
    values = pad_sequence(sequences.tokens.split(sequences.offsets.diff().tolist()), batch_first=True)
    return Tokens(values, torch.arange(values.shape[1]) < sequences.valid[:, None])


@pytest.mark.parametrize("block", [1, 7, 16_384])
@pytest.mark.parametrize("mix", [0.5, 0.2])
def test_scores_are_those_of_padded_batches(monkeypatch: pytest.MonkeyPatch, block: int, mix: float) -> None:
    monkeypatch.setattr(ranking, "BLOCK", block)
    generator = torch.Generator().manual_seed(0)
    videos = stored([3, 1, 9, 4, 4], [3, 1, 9, 4, 4], generator)
    words = F.normalize(torch.randn(5, WIDTH, generator=generator), dim=-1)
    text, video = Tokens(words[None], torch.ones(1, 5, dtype=torch.bool)), padded(videos)
    expected = mix * video_to_text(video, text, True) + (1 - mix) * text_to_video(video, text, True)
    all_scores = ranking.scores(ranking.Query(words, 5), videos, mix)
    np.testing.assert_allclose(all_scores, expected[:, 0], atol=1e-6)
    for rows in ([4, 0, 2], [1], [0, 1, 2, 3, 4]):
        some = ranking.scores(ranking.Query(words, 5), videos, mix, torch.tensor(rows))
        np.testing.assert_allclose(some, expected[rows, 0], atol=1e-6)


def test_padding_is_attended_to_but_attends_to_nothing() -> None:
    generator = torch.Generator().manual_seed(1)
    videos = stored([6, 6, 6], [2, 6, 3], generator)
    words = F.normalize(torch.randn(5, WIDTH, generator=generator), dim=-1)
    text, video = Tokens(words[None], torch.arange(5)[None] < 3), padded(videos)
    expected = 0.5 * video_to_text(video, text, False) + 0.5 * text_to_video(video, text, False)
    np.testing.assert_allclose(ranking.scores(ranking.Query(words, 3), videos, 0.5), expected[:, 0], atol=1e-6)


def test_scores_with_token_weights_are_those_of_padded_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranking, "BLOCK", 7)
    generator = torch.Generator().manual_seed(2)
    lengths = [3, 1, 9, 4]
    plain = stored(lengths, lengths, generator)
    weights = torch.cat([torch.rand(n, generator=generator).softmax(0) for n in lengths])
    videos = dataclasses.replace(plain, weights=weights)
    words = F.normalize(torch.randn(5, WIDTH, generator=generator), dim=-1)
    of_words = torch.rand(5, generator=generator).softmax(0)
    text = Tokens(words[None], torch.ones(1, 5, dtype=torch.bool), of_words[None])
    video = dataclasses.replace(padded(plain), weights=pad_sequence(weights.split(lengths), batch_first=True))
    expected = 0.2 * video_to_text(video, text, True) + 0.8 * text_to_video(video, text, True)
    query = ranking.Query(words, 5, of_words)
    np.testing.assert_allclose(ranking.scores(query, videos, 0.2), expected[:, 0], atol=1e-6)
    some = ranking.scores(query, videos, 0.2, torch.tensor([3, 0]))
    np.testing.assert_allclose(some, expected[[3, 0], 0], atol=1e-6)
