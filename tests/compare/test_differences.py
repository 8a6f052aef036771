"""Paired differences against what can be worked out by hand, and which queries two evaluations share."""

import numpy as np
import pandas as pd
import pytest

from seds.compare import differences
from seds.compare.differences import most_changed, outcome, pair
from seds.compare.evaluated import CompareError, Evaluated
from seds.evaluation.results import Similarity
from seds.retrieval.metrics import METRICS, intervals

RESAMPLES = 20_000


def compared(first: np.ndarray, second: np.ndarray, cluster: np.ndarray | None = None) -> dict:
    cluster = np.arange(len(first)) if cluster is None else cluster
    return differences.differences(first, second, cluster, RESAMPLES, np.random.default_rng(0))


def exact(won: int, lost: int, queries: int) -> np.ndarray:
    """Distribution of the resampled sum of queries won minus lost, float64 [2 queries + 1] from -queries on."""
    one = np.array([lost, queries - won - lost, won]) / queries
    total = np.ones(1)
    for _ in range(queries):
        total = np.convolve(total, one)
    return total


def test_interval_and_p_are_those_of_the_exact_distribution() -> None:
    queries, won, lost = 40, 9, 2
    first, second = np.ones(queries, int), np.ones(queries, int)
    first[:won], second[won : won + lost] = 2, 2
    found = compared(first, second)["R@1"]
    chance = exact(won, lost, queries)
    changes = np.arange(-queries, queries + 1)
    p = chance[np.abs(changes - (won - lost)) >= won - lost].sum()
    assert found.change == pytest.approx(100 * (won - lost) / queries)
    assert found.p == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / RESAMPLES))
    below = np.cumsum(chance)
    for end, share in ((found.low, 0.025), (found.high, 0.975)):
        place = int(np.searchsorted(below, share))  # neither neighbour of this step is near the share
        assert end == pytest.approx(100 * changes[place] / queries)


def test_equal_models_do_not_differ() -> None:
    rank = np.random.default_rng(1).integers(1, 30, 25)
    for one in compared(rank, rank).values():
        assert (one.change, one.low, one.high, one.p) == (0, 0, 0, 1)


def test_pairing_makes_a_small_gain_certain() -> None:
    """Each query gains one place: unpaired, the models' intervals overlap almost wholly."""
    first = np.random.default_rng(2).integers(2, 100, 60)
    found = compared(first, first - 1)["MeanR"]
    assert (found.change, found.low, found.high) == pytest.approx((-1, -1, -1))
    assert found.p == 1 / (RESAMPLES + 1)
    low, high = intervals(first, np.arange(60), 200, np.random.default_rng(0))["MeanR"]
    assert low < first.mean() - 1 < high


def test_exchanged_models_give_the_opposite() -> None:
    generator = np.random.default_rng(3)
    cluster = np.concatenate([np.arange(20), generator.integers(0, 20, 10)])
    first, second = generator.integers(1, 60, (2, 30))
    there, back = compared(first, second, cluster), compared(second, first, cluster)
    for name in METRICS:
        assert there[name].change == pytest.approx(-back[name].change)
        assert (there[name].low, there[name].high) == pytest.approx((-back[name].high, -back[name].low))
        assert there[name].p == back[name].p
        assert there[name].low <= there[name].change <= there[name].high


def test_queries_are_counted_and_ordered_by_what_they_lose() -> None:
    first, second = np.array([1, 1, 60, 3, 2, 5, 9]), np.array([5, 1, 90, 1, 1, 6, 8])
    counts = outcome(first, second)
    assert (counts.won, counts.same, counts.lost, counts.first_now, counts.first_before) == (3, 1, 3, 2, 1)
    assert most_changed(first, second, 10, 10) == ([0, 5, 2], [3, 4, 6])
    assert most_changed(first, second, 1, 0) == ([0], [])


def evaluated(name: str, sentence_of: dict[str, str], **streams: np.ndarray) -> Evaluated:
    sentence_ids = list(dict.fromkeys(sentence_of.values()))
    videos = pd.DataFrame({"video_id": list(sentence_of), "sentence_id": list(sentence_of.values())})
    videos["text"] = videos["sentence_id"] + f" of {name}"
    return Evaluated(name, Similarity(streams, list(sentence_of), sentence_ids), videos)


def test_only_what_both_ranked_is_compared() -> None:
    matrix = np.arange(12.0).reshape(4, 3)
    first = evaluated("a", {"v": "s", "w": "s", "x": "t", "y": "u"}, fusion=matrix, pose=matrix + 100)
    second = evaluated("b", {"y": "u", "x": "t", "z": "r"}, pose=np.arange(9.0).reshape(3, 3))
    both = pair(first, second)
    assert both.videos["video_id"].tolist() == ["y", "x"]
    assert both.texts == ["u of b", "t of b"]
    assert both.sentence_of.tolist() == [0, 1]
    assert both.left_out == (2, 1)
    assert both.other_texts == 2
    assert both.streams == [("fusion", "pose"), ("pose", "pose")], "the main streams, and what both have"
    np.testing.assert_array_equal(both.similarities[0]["fusion"], [[11, 10], [8, 7]])
    np.testing.assert_array_equal(both.similarities[1]["pose"], [[0, 1], [3, 4]])
    assert [row.stream for row in differences.compare(both, 100, 0)] == ["fusion → pose"] * 2 + ["pose"] * 2


def test_other_queries_are_refused() -> None:
    one = np.zeros((1, 1))
    first = evaluated("a", {"v": "s"}, pose=one)
    with pytest.raises(CompareError, match="a and b have no test video in common"):
        pair(first, evaluated("b", {"w": "s"}, pose=one))
    with pytest.raises(CompareError, match="'v' signs sentence 's' in a and 't' in b"):
        pair(first, evaluated("b", {"v": "t"}, pose=one))
