"""The shared computation of overlapping windows against the obvious one."""

import pytest
import torch
from helpers.plain_windows import plain_window_means

from seds.model.pose_encoder.temporal import TemporalBlock
from seds.model.pose_encoder.window_stage import window_means

CHANNELS = 6


def _case(window, starts, frames=40, seed=0):
    generator = torch.Generator().manual_seed(seed)
    block = TemporalBlock(CHANNELS).double()
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.4)
    x = torch.randn(frames, CHANNELS, generator=generator, dtype=torch.float64, requires_grad=True)
    starts = torch.tensor(starts)
    upstream = torch.randn(len(starts), CHANNELS, generator=generator, dtype=torch.float64)
    gathered = lambda: x[starts[:, None] + torch.arange(window)].transpose(1, 2)  # noqa: E731
    return block, x, starts, gathered, upstream


def _outcome(block, x, means, upstream):
    x.grad = None
    block.zero_grad()
    (means * upstream).sum().backward()
    state = {name: tensor.clone() for name, tensor in block.state_dict().items() if "running" in name}
    return means.detach(), x.grad.clone(), {n: p.grad.clone() for n, p in block.named_parameters()}, state


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(
    ("window", "starts"),
    [
        (16, [*range(15), 20, 24]),  # two videos end to end, the second cut short
        (16, [0]),
        (16, [3, 3, 9]),  # a window twice
        (16, [24, 0, 7]),  # in any order
        (5, [0, 1, 2, 35]),
    ],
)
def test_window_means_equal_the_plain_ones(window, starts, training):
    block, x, starts, gathered, upstream = _case(window, starts)
    block.train(training)
    reset = block.state_dict()
    reset = {name: tensor.clone() for name, tensor in reset.items()}
    expected = _outcome(block, x, plain_window_means(block, gathered()), upstream)
    block.load_state_dict(reset)
    actual = _outcome(block, x, window_means(block, x, starts, window), upstream)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_window_weights_count_a_window_several_times():
    block, x, starts, gathered, upstream = _case(16, [0, 5, 20])
    reset = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    weight = torch.tensor([1.0, 4.0, 0.0], dtype=torch.float64)
    expected = _outcome(block, x, plain_window_means(block, gathered(), weight), upstream)
    block.load_state_dict(reset)
    actual = _outcome(block, x, window_means(block, x, starts, 16, weight), upstream)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_window_without_inner_frames_is_refused():
    block, x, starts, _, _ = _case(16, [0])
    with pytest.raises(ValueError, match="windows of 4 frames"):
        window_means(block, x, starts, 4)
