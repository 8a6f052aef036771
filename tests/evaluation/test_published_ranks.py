"""The published rules on small cases by hand; seds verify compares them with the recorded system."""

import numpy as np
import pytest

from seds.evaluation import published_ranks
from seds.retrieval import ranks
from seds.retrieval.metrics import summarise


def test_without_ties_both_rules_agree_but_for_the_lower_median() -> None:
    generator = np.random.default_rng(0)
    sentence_of = np.repeat(np.arange(8), 2)
    scores = generator.normal(size=(16, 8)) + np.equal.outer(sentence_of, np.arange(8))
    theirs = published_ranks.metrics(scores, sentence_of)
    for direction, ranking in ranks.rank_both(scores, sentence_of).items():
        ours = summarise(ranking.rank)
        for name in ("R@1", "R@5", "R@10", "MeanR"):
            assert theirs[direction][name] == ours[name]
        middle = sorted(ranking.rank.tolist())[(len(ranking.rank) - 1) // 2]
        assert theirs[direction]["MedR"] == (ours["MedR"] if direction == "t2v" else middle)


def test_tie_counts_at_every_rank_and_adds_queries() -> None:
    scores = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]])  # text 0 finds videos 0 and 1 alike
    theirs = published_ranks.metrics(scores, np.arange(3))
    assert theirs["t2v"]["R@1"] == 75.0, "four ranks of three queries: 1, 2, 1, 1"
    assert theirs["t2v"]["MeanR"] == 1.25
    assert summarise(ranks.rank_both(scores, np.arange(3))["t2v"].rank)["R@1"] == pytest.approx(200 / 3)


def test_nan_is_last_in_t2v_and_first_in_v2t() -> None:
    scores = np.array([[2.0, np.nan, 0.0], [0.0, 2.0, 1.0], [np.nan, 0.0, 2.0]])
    assert published_ranks.t2v_ranks(published_ranks.groups(scores, np.arange(3))).tolist() == [0, 0, 0]
    assert published_ranks.v2t_ranks(scores, np.arange(3)).tolist() == [1, 0, 1]


def test_query_whose_right_score_is_nan_has_no_rank() -> None:
    """Of a sentence of two videos, one may be NaN: the other is the group's best."""
    sentence_of = np.array([0, 0, 1, 2])
    scores = np.array([[np.nan, 0.0, 0.0], [2.0, 0.0, 1.0], [0.0, np.nan, 0.0], [3.0, 0.0, 2.0]])
    assert published_ranks.t2v_ranks(published_ranks.groups(scores, sentence_of)).tolist() == [1, 0]
    assert published_ranks.v2t_ranks(scores, sentence_of).tolist() == [0, 1]
    theirs = published_ranks.metrics(scores, sentence_of)
    assert (theirs["t2v"]["MeanR"], theirs["v2t"]["MeanR"]) == (1.5, 1.5)
