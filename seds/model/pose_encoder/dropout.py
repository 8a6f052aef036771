"""Dropout whose cost follows what it drops: a small probability over many activations needs few random numbers."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def dropped(elements: int, p: float) -> Tensor:
    """Places to set to zero, int64, each of 0 .. elements - 1 with probability p < 1; a place may stand there twice.

    Drawing a number for each element costs the CPU a quarter of a graph network's step. Here Poisson-many places
    are drawn with replacement, -ln(1 - p) for each element on average: their counts are then independent Poisson
    variables, and an element is never drawn with probability 1 - p. Exactly Bernoulli, from about p numbers an element.
    """
    draws = int(torch.poisson(torch.tensor(-math.log1p(-p) * elements, dtype=torch.float64)))
    return torch.randint(elements, (draws,))
