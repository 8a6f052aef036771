"""Weighted batch statistics against the repetition they stand for."""

import torch
from torch import nn

from seds.pose.batchnorm import BatchNorm


def _norm(channels: int) -> BatchNorm:
    norm = BatchNorm(channels).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.uniform_(-1, 1, generator=generator)
    return norm


def test_weights_equal_repetition():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(5, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    times = torch.tensor([1, 3, 0, 2, 5])
    weighted, plain = _norm(3), _norm(3)
    y = weighted(x, times.double())
    repeated = plain(x.repeat_interleave(times, 0))
    torch.testing.assert_close(y.repeat_interleave(times, 0), repeated)
    torch.testing.assert_close(weighted.state_dict(), plain.state_dict())

    upstream = torch.randn(repeated.shape, generator=generator, dtype=torch.float64)
    (expected,) = torch.autograd.grad((repeated * upstream).sum(), x)
    (actual,) = torch.autograd.grad((y.repeat_interleave(times, 0) * upstream).sum(), x)
    torch.testing.assert_close(actual, expected)


def test_a_row_of_weight_zero_is_normalised_but_not_counted():
    x = torch.tensor([[1.0], [3.0], [100.0]])
    norm = BatchNorm(1)
    y = norm(x, torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(y[:2, 0], torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.2]))
    assert y[2, 0] > 90


def test_without_weights_it_is_torchs():
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = _norm(4), nn.BatchNorm1d(4).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x, torch.zeros(7, dtype=torch.float64)), theirs(x))  # no statistics, no weights
