"""Weighted batch statistics against the repetition they stand for; ReLU and dropout against torch's."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seds.model.pose_encoder.norm_relu_dropout import NormReluDropout, dropout_positions


def _norm(channels: int) -> NormReluDropout:
    norm = NormReluDropout(channels).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        norm.weight.uniform_(0.5, 1.5, generator=generator)
        norm.bias.uniform_(-1, 1, generator=generator)
    return norm


def test_row_weights_equal_repetition():
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


def test_row_of_weight_zero_is_normalised_but_not_counted():
    x = torch.tensor([[1.0], [3.0], [100.0]])
    norm = NormReluDropout(1)
    y = norm(x, torch.tensor([1.0, 1.0, 0.0]))
    torch.testing.assert_close(y[:2, 0], torch.tensor([-1.0, 1.0]), atol=1e-4, rtol=0)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.2]))
    assert y[2, 0] > 90


def test_norm_without_weights_equals_torchs():
    x = torch.randn(7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours, theirs = _norm(4), nn.BatchNorm1d(4).double()
    theirs.load_state_dict(ours.state_dict())
    torch.testing.assert_close(ours(x), theirs(x))
    ours.eval(), theirs.eval()
    torch.testing.assert_close(ours(x, torch.zeros(7, dtype=torch.float64)), theirs(x))  # no statistics, no weights


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_norm_gradients_equal_those_of_the_formula(relu, weighted):
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    times = torch.randint(0, 4, (40,), generator=generator).double() if weighted else torch.ones(40).double()
    norm = _norm(3)
    norm.relu, norm.dropout = relu, 0.4
    torch.manual_seed(5)
    y = norm(x, times if weighted else None)
    torch.manual_seed(5)
    kept = torch.ones(x.numel(), dtype=torch.float64)
    kept[dropout_positions(x.numel(), 0.4)] = 0

    mean = (times @ x) / times.sum()
    variance = (times @ (x - mean).square()) / times.sum()
    plain = (x - mean) / (variance + norm.eps).sqrt() * norm.weight + norm.bias
    plain = (F.relu(plain) if relu else plain) * kept.view(x.shape) / 0.6
    torch.testing.assert_close(y, plain)
    assert 20 < (y == 0).sum() < (100 if relu else 70)

    upstream = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    variables = (x, norm.weight, norm.bias)
    expected = torch.autograd.grad((plain * upstream).sum(), variables)
    torch.testing.assert_close(torch.autograd.grad((y * upstream).sum(), variables), expected)


def test_norm_drops_nothing_in_evaluation():
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(4)).double()
    norm = _norm(2).eval()
    before = norm(x)
    norm.dropout = 0.9
    assert torch.equal(norm(x), before)
