"""What ranks say: recall, median, mean and reciprocal rank, and how far chance may have moved them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

CUTOFFS = (1, 5, 10, 50)
RECALLS = tuple(f"R@{k}" for k in CUTOFFS)
METRICS = (*RECALLS, "MedR", "MeanR", "MRR")
DIGITS = 4  # of the numbers in files


def summarise(rank: np.ndarray) -> dict[str, float]:
    """METRICS of int [Q] ranks, 1 = found first: R@K in percent, median and mean rank, mean of 1 / rank in (0, 1].

    The median of an even number of queries is the mean of the middle two.
    """
    summary = {f"R@{k}": 100.0 * float((rank <= k).mean()) for k in CUTOFFS}
    return summary | {"MedR": float(np.median(rank)), "MeanR": float(rank.mean()), "MRR": float((1 / rank).mean())}


def intervals(
    rank: np.ndarray, cluster: np.ndarray, resamples: int, generator: np.random.Generator
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals (Efron, 1979) of METRICS, drawing whole clusters of queries with replacement.

    rank, cluster: int64 [Q]; clusters are 0, 1, ..., each with a query: videos of one sentence are found or missed
    together, so that they are drawn together.
    """
    clusters = int(cluster.max()) + 1
    drawn = generator.integers(0, clusters, size=(resamples, clusters))
    low, high = np.percentile(resampled(rank, cluster, drawn), [2.5, 97.5], axis=0)
    return {name: (float(low[i]), float(high[i])) for i, name in enumerate(METRICS)}


def resampled(rank: np.ndarray, cluster: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """METRICS of each resample, float64 [resamples, METRICS].

    rank, cluster: as in `intervals`. drawn: int [resamples, clusters], the clusters of each.
    """
    clusters = drawn.shape[1]
    order = np.argsort(rank, kind="stable")
    rank, cluster = rank[order], cluster[order]
    values = np.stack([*(rank <= k for k in CUTOFFS), rank, 1 / rank], axis=1)  # [Q, means]
    sums = np.stack([np.bincount(cluster, column, clusters) for column in values.T], axis=1)
    asked = np.bincount(cluster, minlength=clusters)
    result = np.empty((len(drawn), len(METRICS)))
    for resample, chosen in enumerate(drawn):
        times = np.bincount(chosen, minlength=clusters)
        *recalls, mean, reciprocal = times @ sums / (times @ asked)
        median = np.median(np.repeat(rank, times[cluster]))
        result[resample] = (*(100 * recall for recall in recalls), median, mean, reciprocal)
    return result


def standard_error(recall: float, queries: int) -> float:
    """Of a recall in per cent that so many independent queries gave, in points: sqrt(p (1 - p) / n)."""
    p = recall / 100
    return 100 * math.sqrt(p * (1 - p) / queries)


def over_seeds(measured: Sequence[Mapping[str, Mapping[str, Mapping[str, float]]]]) -> dict[str, dict]:
    """{"mean": {stream: {direction: {metric: value}}}, "std": the same} of several models' metrics.

    The standard deviation is that of a sample (n - 1), since the seeds stand for all that could have been drawn.
    """
    if len(measured) < 2:
        raise ValueError(f"{len(measured)} model has no standard deviation, at least 2 are needed")
    result: dict[str, dict] = {"mean": {}, "std": {}}
    for stream, directions in measured[0].items():
        for direction in directions:
            columns = {name: np.array([one[stream][direction][name] for one in measured]) for name in METRICS}
            for kind, reduce in (("mean", np.mean), ("std", lambda column: np.std(column, ddof=1))):
                values = {name: float(reduce(column)) for name, column in columns.items()}
                result[kind].setdefault(stream, {})[direction] = rounded(values)
    return result


def rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in values.items()}


def flatten(values: Mapping[str, Any], separator: str = "/") -> Iterator[tuple[str, Any]]:
    """("dev/fusion/t2v/R@1", 50.0), ...: nested values by the path of their names, in order."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}{separator}{path}", inner) for path, inner in flatten(value, separator))
        else:
            yield name, value


DIRECTIONS = ("t2v", "v2t")


def metrics_table(metrics: dict[str, dict[str, dict[str, float]]]) -> list[str]:
    """Markdown rows, one a stream and direction."""
    return _table(metrics, lambda stream, direction, name: _shown(name, metrics[stream][direction][name]))


def spread_table(over_seeds: dict[str, Any]) -> list[str]:
    """The same of what metrics.over_seeds gives: mean ± standard deviation."""

    def cell(stream: str, direction: str, name: str) -> str:
        return " ± ".join(_shown(name, over_seeds[kind][stream][direction][name]) for kind in ("mean", "std"))

    return _table(over_seeds["mean"], cell)


def _table(streams: Iterable[str], cell: Callable[[str, str, str], str]) -> list[str]:
    rows = ["| stream | direction | " + " | ".join(METRICS) + " |", "| --- " * (2 + len(METRICS)) + "|"]
    for stream in streams:
        for direction in DIRECTIONS:
            cells = " | ".join(cell(stream, direction, name) for name in METRICS)
            rows.append(f"| {stream} | {direction.upper()} | {cells} |")
    return rows


def _shown(name: str, value: float) -> str:
    return f"{value:.{3 if name == 'MRR' else 1}f}"
