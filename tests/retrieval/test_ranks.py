"""Ranks, ties, groups and intervals."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seds.retrieval import ranks


def slow_rank(row: np.ndarray, right: int) -> int:
    better = sum(score > row[right] for score in row)
    tied = sum(score == row[right] for i, score in enumerate(row) if i != right)
    return 1 + better + -(-tied // 2)


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (7, 5), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0])), st.integers(0, 2**32 - 1))
def test_ranks_equal_counting_one_by_one(scores: np.ndarray, seed: int) -> None:
    right = np.random.default_rng(seed).integers(0, 5, size=7)
    expected = [slow_rank(row, column) for row, column in zip(scores, right, strict=True)]
    assert ranks.ranks(scores, right).tolist() == expected


def test_constant_score_gets_the_middle_rank() -> None:
    rank = ranks.ranks(np.zeros((9, 9)), np.arange(9))
    assert rank.tolist() == [5] * 9


def test_scores_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="1 of 4 similarity scores are not finite"):
        ranks.ranks(np.array([[1.0, np.nan], [0.0, 1.0]]), np.array([0, 1]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_both_directions_equal_the_definition(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sentence_of = generator.permutation(np.concatenate([np.arange(6), generator.integers(0, 6, size=5)]))
    similarity = generator.normal(size=(11, 6))
    both = ranks.rank_both(similarity, sentence_of)
    for text in range(6):
        groups = np.array([similarity[sentence_of == group, text].max() for group in range(6)])
        assert both["t2v"].rank[text] == slow_rank(groups, text)
    for video in range(11):
        assert both["v2t"].rank[video] == slow_rank(similarity[video], int(sentence_of[video]))
        assert both["v2t"].best[video] == similarity[video].argmax()


def test_sentence_without_a_video_is_refused() -> None:
    with pytest.raises(ValueError, match="3 sentences, but only 2"):
        ranks.rank_both(np.zeros((2, 3)), np.array([0, 2]))


def test_metrics_per_stream_lie_within_their_intervals() -> None:
    similarity = np.eye(4)
    similarity[3] = [1.0, 0.5, 0.4, 0.3]  # one video of four is found last
    metrics, rankings = ranks.evaluate({"fusion": similarity, "pose": np.eye(4)}, np.arange(4))
    assert metrics["pose"]["t2v"]["R@1"] == 100
    v2t = metrics["fusion"]["v2t"]
    assert (v2t["R@1"], v2t["R@5"], v2t["MedR"], v2t["MeanR"], v2t["MRR"]) == (75.0, 100.0, 1.0, 1.75, 0.8125)
    intervals = ranks.bootstrap(rankings, resamples=500, seed=1)
    ends = intervals["fusion"]["v2t"]["R@1"]
    assert 0 <= ends["low"] < 75.0 < ends["high"] <= 100
    assert ranks.bootstrap(rankings, resamples=500, seed=1) == intervals
