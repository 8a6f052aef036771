"""Curves and histograms against counting."""

import numpy as np

from seds.evaluation import curves
from seds.retrieval.ranks import rank_both


def test_recall_and_histogram_count_the_ranks() -> None:
    rankings = {"fusion": rank_both(np.random.default_rng(0).normal(size=(130, 130)), np.arange(130))}
    for direction, ranking in rankings["fusion"].items():
        rows = [row for row in curves.recall(rankings) if row["direction"] == direction]
        assert len(rows) <= curves.POINTS
        assert (rows[0]["K"], rows[-1]["K"], rows[-1]["recall"]) == (1, 130, 100.0)
        for row in rows:
            assert abs(row["recall"] - 100 * sum(r <= row["K"] for r in ranking.rank) / 130) < 1e-3
        bars = [row for row in curves.histogram(rankings) if row["direction"] == direction]
        assert [bar["ranks"] for bar in bars] == ["1", "2", "3-5", "6-10", "11-50", "51-100", "101-130"]
        assert sum(bar["queries"] for bar in bars) == 130
        for bar in bars:
            first, last = int(bar["ranks"].split("-")[0]), int(bar["ranks"].split("-")[-1])
            assert bar["queries"] == sum(first <= r <= last for r in ranking.rank)
            assert abs(bar["share"] - 100 * bar["queries"] / 130) < 1e-3


def test_few_candidates_have_few_bars() -> None:
    assert curves.bins(1) == [(1, 1)]
    assert curves.bins(2) == [(1, 1), (2, 2)]
    assert curves.bins(7) == [(1, 1), (2, 2), (3, 5), (6, 7)]
    assert curves.cutoffs(1) == [1]
    assert curves.cutoffs(4) == [1, 2, 3, 4]
