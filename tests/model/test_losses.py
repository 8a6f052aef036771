"""The losses' definition and independence of padding; test_verify compares them with the recordings."""

import math

import pytest
import torch
from torch.nn import functional as F

from seds.config import Losses
from seds.model.contrast import contrastive
from seds.model.losses import BatchContext, duplicates, symmetric, total_loss
from seds.model.similarity import Tokens, VideoTokens, matching, text_to_video, video_to_text


def test_contrastive_spelled_out():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]], dtype=torch.float64)
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert contrastive(logits).item() == pytest.approx(expected, rel=1e-12)


def test_symmetric_loss_with_an_even_mix_ignores_direction():
    first, second = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(symmetric(first, second, 0.5), symmetric(first.T, second.T, 0.5))
    mixed = symmetric(first, second, 0.3)
    torch.testing.assert_close(mixed, symmetric(second.T, first.T, 0.3))


def _tokens(lengths, length, seed):
    generator = torch.Generator().manual_seed(seed)
    values = F.normalize(torch.randn(len(lengths), length, 8, generator=generator, dtype=torch.float64), dim=-1)
    return Tokens(values, torch.arange(length) < torch.tensor(lengths)[:, None])


def test_masked_losses_do_not_depend_on_padding():
    videos, text = [_tokens([6, 4, 2], 6, seed) for seed in range(3)], _tokens([5, 2, 1], 5, 7)
    swapped = _tokens([5, 2, 1], 5, 8)
    losses = Losses(distill_pose=0.5, distill_rgb=0.5)

    def loss(more):
        def padded(tokens, seed):
            noise = torch.randn(3, more, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            values = torch.cat([tokens.values, F.normalize(noise, dim=-1)], 1)
            return Tokens(values, F.pad(tokens.valid, (0, more)))

        streams = dict(zip(("fusion", "pose", "rgb"), (padded(v, i) for i, v in enumerate(videos)), strict=True))
        return total_loss(
            VideoTokens({name: tokens.values for name, tokens in streams.items()}, streams["pose"].valid),
            padded(text, 4),
            padded(swapped, 5),
            torch.tensor(10.0, dtype=torch.float64),
            losses,
            BatchContext(masked=True),
        )

    torch.testing.assert_close(loss(3), loss(0))


def test_duplicates_are_other_rows_with_the_same_words():
    ids = torch.tensor([[7, 1, 9, 0], [7, 2, 9, 0], [7, 1, 9, 0], [7, 1, 1, 9], [7, 2, 9, 0]])
    expected = [[False] * 5 for _ in range(5)]
    for a, b in ((0, 2), (2, 0), (1, 4), (4, 1)):
        expected[a][b] = True
    assert duplicates(ids).tolist() == expected


def _spelled_out(matrix, ids, ignored):
    """One row at a time, its denominator one term at a time."""
    losses = []
    for a, row in enumerate(matrix):
        denominator = torch.zeros((), dtype=matrix.dtype)
        for b, logit in enumerate(row):
            if a == b or not ignored or ids[a].tolist() != ids[b].tolist():
                denominator = denominator + logit.exp()
        losses.append(denominator.log() - row[a])
    return sum(losses) / len(losses)


@pytest.mark.parametrize("ignored", [True, False])
def test_duplicates_are_excluded_from_all_softmaxes_or_from_none(ignored):
    ids = torch.tensor([[5, 1, 9], [5, 2, 9], [5, 1, 9], [5, 3, 9], [5, 1, 9]])
    lengths, words = [6, 4, 2, 5, 3], [5, 2, 5, 1, 5]
    videos = {name: _tokens(lengths, 6, seed) for seed, name in enumerate(("fusion", "pose", "rgb"))}
    text, swapped, scale = _tokens(words, 5, 7), _tokens(words, 5, 8), torch.tensor(10.0, dtype=torch.float64)
    streams = {name: tokens.values.requires_grad_() for name, tokens in videos.items()}
    mix, weight = 0.3, 0.7
    parts = total_loss(
        VideoTokens(streams, videos["pose"].valid),
        text,
        swapped,
        scale,
        Losses(dual_mix=mix, match_weight=weight),
        BatchContext(masked=True, not_negatives=duplicates(ids) if ignored else None),
    )
    pairs = {n: (video_to_text(v, text, True), text_to_video(v, swapped, True)) for n, v in videos.items()}
    pairs["match"] = matching(videos["pose"], videos["rgb"], True)
    expected = {}
    for name, (first, second) in pairs.items():
        rows, columns, second_rows, second_columns = (
            _spelled_out(scale * m, ids, ignored) for m in (first, first.T, second, second.T)
        )
        loss = 0.5 * (mix * (rows + second_columns) + (1 - mix) * (columns + second_rows))
        expected[name] = weight * loss if name == "match" else loss
    torch.testing.assert_close(parts, {"total": sum(expected.values()), **expected})
    found = torch.autograd.grad(parts["total"], list(streams.values()))
    assert all(gradient.isfinite().all() for gradient in found)
    torch.testing.assert_close(found, torch.autograd.grad(sum(expected.values()), list(streams.values())))


def test_contrastive_loss_of_equal_texts_is_zero():
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = contrastive(logits, duplicates(torch.tensor([[5, 1, 9]] * 3)))
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
