"""Batch normalisation over rows that count with a weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seds.precision import widened

MOMENTUM = 0.1  # of the running statistics, torch's default


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm1d of rows [M, C] whose training statistics may weigh each row.

    A row of weight 3 counts as if it stood there three times, one of weight 0 is normalised but not counted.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__(channels, eps=eps, momentum=MOMENTUM)

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """x: [M, C]; weight: [M], None = 1 each. Returns [M, C]."""
        if weight is None or not self.training:
            return super().forward(x)
        with torch.autocast(x.device.type, enabled=False):
            x = widened(x)
            rows = weight.sum()
            mean = weight @ x / rows
            centred = x - mean
            spread = weight @ centred.square()
            self._track(mean.detach(), spread.detach() / (rows - 1))
            return torch.addcmul(self.bias, centred, self.weight * (spread / rows + self.eps).rsqrt())

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean, MOMENTUM)
        self.get_buffer("running_var").lerp_(variance, MOMENTUM)
