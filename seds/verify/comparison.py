"""One comparison of our array with a recorded one, and how far apart they are."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from torch import Tensor

Values = np.ndarray | Tensor


@dataclass(frozen=True)
class Comparison:
    """An array's largest error against its limit. error: inf where shapes, or the places of NaN or infinity, differ."""

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


@dataclass(frozen=True)
class Failure:
    """What cannot be read or is not in the recordings' format; it counts as over its limit."""

    name: str
    text: str


Result = Comparison | Note | Failure


def relative(name: str, actual: Values, expected: Values, limit: float, scale: float | None = None) -> Comparison:
    """Largest difference over the largest absolute expected value (or `scale`). Dimensions of 1 do not count."""
    ours, theirs = _array(actual), _array(expected)
    if [size for size in ours.shape if size != 1] == [size for size in theirs.shape if size != 1]:
        ours = ours.reshape(theirs.shape)
    if problem := _unlike(ours, theirs):
        return Comparison(name, math.inf, limit, problem)
    largest = float(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)) if scale is None else scale
    difference = float(_differences(ours, theirs).max(initial=0.0))
    return Comparison(name, difference / largest if largest else difference, limit)


def elementwise(name: str, actual: Values, expected: Values, limit: float) -> Comparison:
    """Largest difference of an element over its own expected value; an expected 0 must be met within 1e-9."""
    ours, theirs = _array(actual), _array(expected)
    if problem := _unlike(ours, theirs):
        return Comparison(name, math.inf, limit, problem)
    finite = np.isfinite(theirs)
    scale = np.where(theirs == 0, 1e-9 / limit, np.abs(theirs))[finite]
    return Comparison(name, float((_differences(ours, theirs)[finite] / scale).max(initial=0.0)), limit)


def absolute(name: str, actual: Values, expected: Values, limit: float) -> Comparison:
    """Largest difference in the arrays' own unit."""
    ours, theirs = _array(actual), _array(expected)
    if problem := _unlike(ours, theirs):
        return Comparison(name, math.inf, limit, problem)
    return Comparison(name, float(_differences(ours, theirs).max(initial=0.0)), limit)


def same(name: str, actual: object, expected: object) -> Comparison:
    """Exact equality, of numbers or strings; NaN equals NaN. The error is the share of elements that differ."""
    ours, theirs = np.asarray(actual), np.asarray(expected)
    if ours.shape != theirs.shape:
        return Comparison(name, math.inf, 0.0, _shapes(ours, theirs))
    if (ours.dtype.kind == "U") != (theirs.dtype.kind == "U"):
        return Comparison(name, math.inf if ours.size else 0.0, 0.0, f"{ours.dtype}, recorded {theirs.dtype}")
    differs = ours != theirs
    if ours.dtype.kind == theirs.dtype.kind == "f":
        differs &= ~(np.isnan(ours) & np.isnan(theirs))
    return Comparison(name, float(differs.mean()) if ours.size else 0.0, 0.0)


def _array(values: Values) -> np.ndarray:
    array = values.detach().numpy() if isinstance(values, Tensor) else np.asarray(values)
    return array.astype(np.float64)


def _shapes(ours: np.ndarray, theirs: np.ndarray) -> str:
    return f"shape {list(ours.shape)}, recorded {list(theirs.shape)}"


def _unlike(ours: np.ndarray, theirs: np.ndarray) -> str:
    """Why the arrays cannot be subtracted; empty if they can."""
    if ours.shape != theirs.shape:
        return _shapes(ours, theirs)
    if not np.array_equal(np.isnan(ours), np.isnan(theirs)):
        return "NaN in other places than recorded"
    infinite = np.isinf(ours) | np.isinf(theirs)
    if not np.array_equal(ours[infinite], theirs[infinite]):
        return "infinite in other places than recorded"
    return ""


def _differences(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Absolute differences; 0 where both are NaN or infinite."""
    finite = np.isfinite(theirs)
    return np.abs(np.subtract(ours, theirs, out=np.zeros_like(theirs), where=finite))
