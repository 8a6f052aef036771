"""Batch normalisation over the rows of all processes, optionally weighted, fused with the ReLU and dropout after it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from seds.model.distributed import all_sum, world_size
from seds.precision import to_float32

MOMENTUM = 0.1  # of the running statistics, torch's default


class NormReluDropout(nn.BatchNorm1d):
    """BatchNorm1d of rows [M, C] whose training statistics may weight each row; then ReLU and dropout, if asked for.

    A row of weight 3 counts as if it occurred three times; one of weight 0 is normalised but not counted. The
    statistics cover the rows of all processes; torch's SyncBatchNorm has no weights, and runs on GPUs only.
    """

    def __init__(self, channels: int, eps: float = 1e-5, *, relu: bool = False, dropout: float = 0.0) -> None:
        """relu: apply a ReLU to the normalised rows; dropout: probability, in training, applied last."""
        super().__init__(channels, eps=eps, momentum=MOMENTUM)
        self.relu, self.dropout = relu, dropout

    def forward(self, x: Tensor, weight: Tensor | None = None) -> Tensor:
        """x: [M, C]; weight: [M], None = 1 each. Returns [M, C]."""
        # Evaluation: torch's functions, on every device.
        # Training on one GPU without weights: torch's functions too, which are fused kernels there.
        # Training otherwise (on the CPU, with weights, or in several processes): the autograd function below; on a GPU
        # it leaves dropout to torch.
        on_cpu = x.device.type == "cpu"
        if not self.training or (weight is None and not on_cpu and world_size() == 1):
            y = super().forward(x)
            return F.dropout(F.relu(y) if self.relu else y, self.dropout, self.training)
        # On the CPU torch adds such rows one by one in float32: after thousands of them its statistics are 1e-5 off,
        # ten times more than these, which pushes activations over a ReLU's kink and moves gradients by per cents.
        with torch.autocast(x.device.type, enabled=False):
            x = to_float32(x)
            # On a GPU torch's own dropout is fast, and its random numbers are drawn on the device.
            dropout_here = self.dropout if on_cpu else 0.0
            y, mean, variance, rows = _NormReluDropout.apply(
                x, self.weight, self.bias, weight, self.eps, self.relu, dropout_here
            )
            if self.track_running_stats:
                self._update_running_statistics(mean, variance * rows / (rows - 1))
            return F.dropout(y, self.dropout - dropout_here, self.training)

    @torch.no_grad()
    def _update_running_statistics(self, mean: Tensor, variance: Tensor) -> None:
        self.get_buffer("num_batches_tracked").add_(1)
        self.get_buffer("running_mean").lerp_(mean, MOMENTUM)
        self.get_buffer("running_var").lerp_(variance, MOMENTUM)


class _NormReluDropout(torch.autograd.Function):
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
        """Returns y [M, C]; mean [C], variance [C] and number of the rows of all processes."""
        count = x.new_full((1,), len(x)) if weight is None else weight.sum()[None]
        totals = all_sum(torch.cat([_weighted_sum(x, weight), count]))
        mean, rows = totals[:-1] / totals[-1], totals[-1]
        centred = x - mean
        variance = all_sum(_weighted_sum(centred.square(), weight)) / rows
        deviation = (variance + eps).sqrt()
        scale = 1 / (1 - dropout)  # of what dropout keeps; it commutes with the ReLU
        y = torch.addcmul(bias * scale, centred, gain * scale / deviation)
        if relu:
            y.relu_()
        dropped = dropout_positions(y.numel(), dropout) if dropout else None
        if dropped is not None:
            y.view(-1)[dropped] = 0
        ctx.save_for_backward(centred, y if relu else dropped, gain, deviation, rows, weight)
        ctx.relu, ctx.scale = relu, scale
        ctx.mark_non_differentiable(mean, variance, rows)
        return y, mean, variance, rows

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        centred, output_or_dropped, gain, deviation, rows, weight = ctx.saved_tensors
        if ctx.relu:  # the output is zero where the ReLU or dropout stopped the gradient
            gradient = torch.ops.aten.threshold_backward(gradient, output_or_dropped, 0)
        elif output_or_dropped is not None:
            gradient = gradient.clone()
            gradient.view(-1)[output_or_dropped] = 0
        for_bias = gradient.sum(0)
        for_gain = (gradient * centred).sum(0) / deviation
        if not ctx.needs_input_grad[0]:
            return None, for_gain * ctx.scale, for_bias * ctx.scale, None, None, None, None
        # Each row affects all others through the statistics of all processes.
        means = all_sum(torch.stack([for_bias, for_gain])) / rows
        slope = ctx.scale * gain / deviation
        shift, tilt = slope * means[0], slope * means[1] / deviation
        if weight is None:
            for_x = torch.addcmul(shift, centred, tilt).neg_().addcmul_(gradient, slope)
        else:
            for_x = gradient * slope - weight[:, None] * torch.addcmul(shift, centred, tilt)
        return for_x, for_gain * ctx.scale, for_bias * ctx.scale, None, None, None, None


def _weighted_sum(x: Tensor, weight: Tensor | None) -> Tensor:
    return x.sum(0) if weight is None else weight @ x


@contextmanager
def frozen_statistics(module: nn.Module) -> Iterator[None]:
    """Inside, the running statistics in `module` are not updated: for repeating a forward pass that updated them."""
    norms = [part for part in module.modules() if isinstance(part, NormReluDropout)]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


def dropout_positions(elements: int, p: float) -> Tensor:
    """Positions to set to zero, int64: each of 0 .. elements - 1 with probability p < 1. Some occur twice.

    Drawing a number for each element costs the CPU a quarter of a graph network's step. Here the number of positions is
    Poisson, -ln(1 - p) per element on average, and they are drawn with replacement: their counts are then independent
    Poisson variables, and an element is never drawn with probability 1 - p. Exactly Bernoulli, from about p random
    numbers per element.
    """
    draws = int(torch.poisson(torch.tensor(-math.log1p(-p) * elements, dtype=torch.float64)))
    return torch.randint(elements, (draws,))
