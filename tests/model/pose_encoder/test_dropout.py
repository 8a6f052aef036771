"""Sparse dropout drops as often as asked, and independently."""

import pytest
import torch

from seds.model.pose_encoder.norm_relu_dropout import dropout_positions


def mask(elements: int, p: float) -> torch.Tensor:
    gone = torch.zeros(elements, dtype=torch.bool)
    gone[dropout_positions(elements, p)] = True
    return gone


@pytest.mark.parametrize("p", [0.05, 0.25])
def test_dropout_positions_have_the_given_probability(p):
    torch.manual_seed(0)
    times, size = 4000, 50
    gone = torch.stack([mask(size, p) for _ in range(times)])
    spread = (p * (1 - p) / times) ** 0.5
    assert (gone.float().mean(0) - p).abs().max() < 5 * spread
    # Independent: the number dropped at a time varies as a binomial does, and neighbours do not go together.
    assert gone.sum(1).float().var().item() == pytest.approx(size * p * (1 - p), rel=0.15)
    together = (gone[:, 0] & gone[:, 1]).float().mean().item()
    assert together == pytest.approx(p * p, abs=5 * (p * p / times) ** 0.5)


def test_dropout_positions_repeat_with_the_seed():
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(dropout_positions(200, 0.3))
    assert torch.equal(*results)
