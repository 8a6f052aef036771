"""Batch normalisation over the rows of all processes, which may count with a weight; with its ReLU and dropout."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seds.model.distributed import total, world_size
from seds.precision import to_float32

MOMENTUM = 0.1  # of the running statistics, torch's default


class BatchNorm(nn.BatchNorm1d):
    """BatchNorm1d of rows [M, C] whose training statistics may weigh each row.

    A row of weight 3 counts as if it stood there three times, one of weight 0 is normalised but not counted. The
    statistics are those of the rows of all processes; torch's SyncBatchNorm has no weights, and runs on GPUs only.
    relu: of what is normalised; dropout: probability, while training, of what comes then.
    """

    def __init__(self, channels: int, eps: float = 1e-5, *, relu: bool = False, dropout: float = 0.0) -> None:
        super().__init__(channels, eps=eps, momentum=MOMENTUM)
        self.relu, self.dropout = relu, dropout

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """x: [M, C]; weight: [M], None = 1 each. Returns [M, C]."""
        on_cpu = x.device.type == "cpu"
        if not self.training or (weight is None and not on_cpu and world_size() == 1):
            y = super().forward(x)
            return F.dropout(F.relu(y) if self.relu else y, self.dropout, self.training)
        # On the CPU torch adds such rows one by one in float32: after thousands of them its statistics are 1e-5 off,
        # ten times more than these, which pushes activations over a ReLU's kink and moves gradients by per cents.
        with torch.autocast(x.device.type, enabled=False):
            x = to_float32(x)
            # Elsewhere torch's own dropout is quick, and its random numbers are the device's.
            probability = self.dropout if on_cpu else 0.0
            y, mean, variance, rows = _Normalised.apply(
                x, self.weight, self.bias, weight, self.eps, self.relu, probability
            )
            if self.track_running_stats:
                self._track(mean, variance * rows / (rows - 1))
            return F.dropout(y, self.dropout - probability, self.training)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean, MOMENTUM)
        self.get_buffer("running_var").lerp_(variance, MOMENTUM)


class _Normalised(torch.autograd.Function):
    """Normalisation, ReLU and dropout. The gradient needs two tensors of x's size; autograd would keep six."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        gain: Tensor,
        bias: Tensor,
        weight: Tensor | None,
        eps: float,
        relu: bool,
        dropout: float,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns y, and of the rows of all processes the mean, the variance and their number."""
        count = x.new_full((1,), len(x)) if weight is None else weight.sum()[None]
        totals = total(torch.cat([_sum(x, weight), count]))
        mean, rows = totals[:-1] / totals[-1], totals[-1]
        centred = x - mean
        variance = total(_sum(centred.square(), weight)) / rows
        deviation = (variance + eps).sqrt()
        kept = 1 / (1 - dropout)  # dropout's factor on what stays; a ReLU lets it through
        y = torch.addcmul(bias * kept, centred, gain * kept / deviation)
        if relu:
            y.relu_()
        places = dropped(y.numel(), dropout) if dropout else None
        if places is not None:
            y.view(-1)[places] = 0
        ctx.save_for_backward(centred, y if relu else places, gain, deviation, rows, weight)
        ctx.relu, ctx.kept = relu, kept
        ctx.mark_non_differentiable(mean, variance, rows)
        return y, mean, variance, rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        centred, passed, gain, deviation, rows, weight = ctx.saved_tensors
        if ctx.relu:  # zero is what the ReLU stopped and what was dropped
            gradient = torch.ops.aten.threshold_backward(gradient, passed, 0)
        elif passed is not None:
            gradient = gradient.clone()
            gradient.view(-1)[passed] = 0
        for_bias = gradient.sum(0)
        for_gain = (gradient * centred).sum(0) / deviation
        if not ctx.needs_input_grad[0]:
            return None, for_gain * ctx.kept, for_bias * ctx.kept, None, None, None, None
        # A row moves all others through the statistics of all processes.
        means = total(torch.stack([for_bias, for_gain])) / rows
        slope = ctx.kept * gain / deviation
        shift, tilt = slope * means[0], slope * means[1] / deviation
        if weight is None:
            for_x = torch.addcmul(shift, centred, tilt).neg_().addcmul_(gradient, slope)
        else:
            for_x = gradient * slope - weight[:, None] * torch.addcmul(shift, centred, tilt)
        return for_x, for_gain * ctx.kept, for_bias * ctx.kept, None, None, None, None


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


def dropped(elements: int, p: float) -> Tensor:
    """Places to set to zero, int64, each of 0 .. elements - 1 with probability p < 1; a place may stand there twice.

    Drawing a number for each element costs the CPU a quarter of a graph network's step. Here Poisson-many places
    are drawn with replacement, -ln(1 - p) for each element on average: their counts are then independent Poisson
    variables, and an element is never drawn with probability 1 - p. Exactly Bernoulli, from about p numbers an element.
    """
    draws = int(torch.poisson(torch.tensor(-math.log1p(-p) * elements, dtype=torch.float64)))
    return torch.randint(elements, (draws,))
