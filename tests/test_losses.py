"""The losses' definition and independence of padding; test_verify compares them with the recordings."""

import math

import pytest
import torch
from torch.nn import functional as F

from seds.config import Losses
from seds.losses import contrastive, symmetric, total_loss
from seds.similarity import Tokens


def test_contrastive_spelled_out():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert contrastive(logits).item() == pytest.approx(expected)


def test_an_even_mix_does_not_care_for_direction():
    first, second = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(symmetric(first, second, 0.5), symmetric(first.T, second.T, 0.5))
    mixed = symmetric(first, second, 0.3)
    torch.testing.assert_close(mixed, symmetric(second.T, first.T, 0.3))


def _tokens(lengths, length, seed):
    generator = torch.Generator().manual_seed(seed)
    values = F.normalize(torch.randn(len(lengths), length, 8, generator=generator, dtype=torch.float64), dim=-1)
    return Tokens(values, torch.arange(length) < torch.tensor(lengths)[:, None])


def test_no_loss_depends_on_padding_when_masked():
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
            {name: tokens.values for name, tokens in streams.items()},
            streams["pose"].valid,
            padded(text, 4),
            padded(swapped, 5),
            torch.tensor(10.0, dtype=torch.float64),
            losses,
            masked=True,
        )

    torch.testing.assert_close(loss(3), loss(0))
