"""Recall at every K and the histogram of ranks: small tables that `dvc plots diff` and the report draw."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seds.retrieval.metrics import DIGITS
from seds.retrieval.ranks import Ranking

POINTS = 40  # of a curve, at most
BIN_ENDS = (1, 2, 5, 10, 50, 100, 1000)  # last rank of each bar; a further bar has the rest

Rows = list[dict[str, str | int | float]]


def cutoffs(candidates: int) -> list[int]:
    """1, 2, 3, ... and then in growing steps up to the number of candidates, where recall is 100 %."""
    return np.unique(np.geomspace(1, candidates, POINTS).round().astype(int)).tolist()


def recall(rankings: Mapping[str, Mapping[str, Ranking]]) -> Rows:
    """stream, direction, K, recall: the share of the queries, in percent, whose rank is at most K."""
    rows: Rows = []
    for stream, both in rankings.items():
        for direction, ranking in both.items():
            for k in cutoffs(ranking.scores.shape[1]):
                share = 100.0 * float((ranking.rank <= k).mean())
                rows.append({"stream": stream, "direction": direction, "K": k, "recall": round(share, DIGITS)})
    return rows


def bins(candidates: int) -> list[tuple[int, int]]:
    """First and last rank of each bar of the histogram; the last bar ends with the last candidate."""
    ends = [end for end in BIN_ENDS if end < candidates] + [candidates]
    return list(zip([1, *(end + 1 for end in ends[:-1])], ends, strict=True))


def histogram(rankings: Mapping[str, Mapping[str, Ranking]]) -> Rows:
    """stream, direction, ranks ("1", "2", "3-5", ...), queries and their share in percent."""
    rows: Rows = []
    for stream, both in rankings.items():
        for direction, ranking in both.items():
            for first, last in bins(ranking.scores.shape[1]):
                queries = int(((ranking.rank >= first) & (ranking.rank <= last)).sum())
                name = str(first) if first == last else f"{first}-{last}"
                share = round(100.0 * queries / len(ranking.rank), DIGITS)
                rows.append(
                    {"stream": stream, "direction": direction, "ranks": name, "queries": queries, "share": share}
                )
    return rows
