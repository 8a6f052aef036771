"""Batch normalisation over the rows of all processes, which may count with a weight."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from seds.distributed import summed, world_size
from seds.precision import widened

MOMENTUM = 0.1  # of the running statistics, torch's default


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm1d of rows [M, C] whose training statistics may weigh each row.

    A row of weight 3 counts as if it stood there three times, one of weight 0 is normalised but not counted. The
    statistics are those of the rows of all processes; torch's SyncBatchNorm has no weights, and runs on GPUs only.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps, momentum=MOMENTUM)

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """x: [M, C]; weight: [M], None = 1 each. Returns [M, C]."""
        if not self.training or (weight is None and x.device.type != "cpu" and world_size() == 1):
            return super().forward(x)
        # On the CPU torch adds such rows one by one in float32: after thousands of them its statistics are 1e-5 off,
        # ten times more than these, which pushes activations over a ReLU's kink and moves gradients by per cents.
        with torch.autocast(x.device.type, enabled=False):
            x = widened(x)
            rows = x.new_full((1,), len(x)) if weight is None else weight.sum()[None]
            totals = summed(torch.cat([_sum(x, weight), rows]))
            rows = totals[-1].detach()
            mean = totals[:-1] / rows
            centred = x - mean
            variance = summed(_sum(centred.square(), weight)) / rows
            if self.track_running_stats:
                self._track(mean.detach(), variance.detach() * rows / (rows - 1))
            return torch.addcmul(self.bias, centred, self.weight * (variance + self.eps).rsqrt())

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean, MOMENTUM)
        self.get_buffer("running_var").lerp_(variance, MOMENTUM)


def _sum(x: Tensor, weight: Tensor | None) -> Tensor:
    return x.sum(0) if weight is None else weight @ x


@contextmanager
def untracked(module: nn.Module) -> Iterator[None]:
    """Inside, the running statistics in `module` stay as they are: for repeating a forward pass that was counted."""
    norms = [part for part in module.modules() if isinstance(part, BatchNorm)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True
