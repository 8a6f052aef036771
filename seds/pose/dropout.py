"""Dropout whose cost follows what it drops: a small probability over many activations needs few random numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def dropout(x: Tensor, p: float, training: bool) -> Tensor:
    """Each element is zero with probability p, else divided by 1 - p; x itself outside training.

    On the CPU, drawing a number for each element costs a quarter of a graph network's step. Here Poisson-many places
    are drawn with replacement, -ln(1 - p) for each element on average: their counts are then independent Poisson
    variables, and an element is never drawn with probability 1 - p. Exactly Bernoulli, from about p numbers an element.
    """
    if not training or p == 0:
        return x
    if x.device.type != "cpu":
        return F.dropout(x, p)
    draws = int(torch.poisson(torch.tensor(-math.log1p(-p) * x.numel(), dtype=torch.float64)))
    keep = x.new_full((x.numel(),), 1 / (1 - p))
    keep[torch.randint(x.numel(), (draws,))] = 0
    return x * keep.view(x.shape)
