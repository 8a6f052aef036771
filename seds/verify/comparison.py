"""One comparison of ours with what was recorded, and how far apart they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Comparison:
    """An array's largest error against its limit. error: inf where shapes or places of NaN differ."""

    name: str  # file/array
    error: float
    limit: float
    detail: str = ""

    @property
    def over(self) -> bool:
        return not self.error <= self.limit


@dataclass(frozen=True)
class Note:
    """What is not compared, or differs on purpose, and why."""

    name: str
    text: str


Result = Comparison | Note


def relative(name: str, actual: Tensor, expected: Tensor, limit: float, scale: float | None = None) -> Comparison:
    """Largest difference over the largest absolute expected value (or `scale`). Shapes agree but for 1s."""
    shapes = [[size for size in t.shape if size != 1] for t in (actual, expected)]
    if shapes[0] != shapes[1]:
        return Comparison(name, math.inf, limit, f"shape {list(actual.shape)}, recorded {list(expected.shape)}")
    actual, expected = actual.detach().reshape(expected.shape).double(), expected.double()
    if not torch.equal(actual.isnan(), expected.isnan()):
        return Comparison(name, math.inf, limit, "NaN in other places than recorded")
    difference = (actual - expected).abs().nan_to_num().max().item()
    largest = expected.abs().nan_to_num().max().item() if scale is None else scale
    return Comparison(name, difference / largest if largest else difference, limit)


def elementwise(name: str, actual: Tensor, expected: Tensor, limit: float) -> Comparison:
    """Largest difference of an element over its own expected value; an expected 0 must be met within 1e-9."""
    actual, expected = actual.detach().double(), expected.double()
    error = (actual - expected).abs() / torch.where(expected == 0, 1e-9 / limit, expected.abs())
    return Comparison(name, error.max().item(), limit)


def absolute(name: str, actual: np.ndarray, expected: np.ndarray, limit: float) -> Comparison:
    """Largest difference in the arrays' own unit."""
    if actual.shape != expected.shape:
        return Comparison(name, math.inf, limit, f"shape {list(actual.shape)}, recorded {list(expected.shape)}")
    difference = np.abs(actual.astype(np.float64) - expected)
    return Comparison(name, float(difference.max(initial=0.0)), limit)


def same(name: str, actual: object, expected: object) -> Comparison:
    """Exact equality; the error is the share of elements that differ."""
    ours, theirs = np.asarray(actual), np.asarray(expected)
    if ours.shape != theirs.shape:
        return Comparison(name, math.inf, 0.0, f"shape {list(ours.shape)}, recorded {list(theirs.shape)}")
    return Comparison(name, float((ours != theirs).mean()) if ours.size else 0.0, 0.0)
