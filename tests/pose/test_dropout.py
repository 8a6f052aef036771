"""Sparse dropout drops as often as asked, independently, and keeps the mean."""

import pytest
import torch

from seds.pose.dropout import dropout


@pytest.mark.parametrize("p", [0.05, 0.25])
def test_each_element_is_dropped_with_that_probability(p):
    torch.manual_seed(0)
    times, size = 4000, 50
    dropped = torch.stack([dropout(torch.ones(5, 10), p, True).flatten() == 0 for _ in range(times)])
    spread = (p * (1 - p) / times) ** 0.5
    assert (dropped.float().mean(0) - p).abs().max() < 5 * spread
    # Independent: the number dropped at a time varies as a binomial does, and neighbours do not go together.
    assert dropped.sum(1).float().var().item() == pytest.approx(size * p * (1 - p), rel=0.15)
    together = (dropped[:, 0] & dropped[:, 1]).float().mean().item()
    assert together == pytest.approx(p * p, abs=5 * (p * p / times) ** 0.5)


def test_what_stays_is_scaled_and_passes_gradients():
    torch.manual_seed(1)
    x = torch.ones(1000, requires_grad=True)
    y = dropout(x, 0.2, True)
    assert set(y.tolist()) == {0.0, 1.25}
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())


def test_nothing_is_dropped_outside_training():
    x = torch.ones(3)
    assert dropout(x, 0.5, False) is x
    assert dropout(x, 0.0, True) is x


def test_the_seed_decides():
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(dropout(torch.ones(200), 0.3, True))
    assert torch.equal(*results)
