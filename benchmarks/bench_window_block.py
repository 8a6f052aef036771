"""The window stage, shared computation against the obvious one: python -m pytest benchmarks/bench_window_block.py

A batch of the small profile: 32 videos of 40 frames, 25 windows each, forward and backward, one thread.
"""

import pytest
import torch

from seds.model.pose_encoder.temporal import TemporalBlock
from seds.model.pose_encoder.window_stage import window_means

VIDEOS, FRAMES, WINDOW, CHANNELS = 32, 40, 16, 144


@pytest.mark.parametrize("way", ["obvious", "shared"])
def test_window_stage(benchmark, way):
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    block = TemporalBlock(CHANNELS)
    x = torch.randn(VIDEOS * FRAMES, CHANNELS, generator=generator, requires_grad=True)
    each = torch.arange(FRAMES - WINDOW + 1)
    starts = (FRAMES * torch.arange(VIDEOS)[:, None] + each).flatten()
    gather = starts[:, None] + torch.arange(WINDOW)

    def step():
        if way == "obvious":
            y = block.convolve(x[gather].transpose(1, 2)).transpose(1, 2)  # [windows, frames, channels]
            means = block.norm(y.flatten(0, 1)).view(y.shape).mean(1)
        else:
            means = window_means(block, x, starts, WINDOW)
        means.sum().backward()

    benchmark.pedantic(step, warmup_rounds=1, rounds=5)
