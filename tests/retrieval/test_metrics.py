"""Metrics against ir-measures, where it has them, and against a few obvious lines."""

import statistics

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, Qrel, ScoredDoc, Success

from seds.retrieval import metrics, ranks
from seds.retrieval.metrics import CUTOFFS, METRICS, intervals, over_seeds, summarise


def judged(scores: np.ndarray, right: np.ndarray) -> dict[str, float]:
    """What ir-measures says of [queries, candidates] with one right candidate each."""
    qrels = [Qrel(f"q{q}", f"d{d}", 1) for q, d in enumerate(right)]
    run = [ScoredDoc(f"q{q}", f"d{d}", float(score)) for q, row in enumerate(scores) for d, score in enumerate(row)]
    found = ir_measures.calc_aggregate([RR, *(Success @ k for k in CUTOFFS)], qrels, run)
    return {"MRR": found[RR]} | {f"R@{k}": 100 * found[Success @ k] for k in CUTOFFS}


@pytest.mark.parametrize("seed", range(5))
def test_both_directions_equal_ir_measures(seed: int) -> None:
    generator = np.random.default_rng(seed)
    sentences = 70
    sentence_of = generator.permutation(np.concatenate([np.arange(sentences), generator.integers(0, sentences, 35)]))
    similarity = generator.normal(size=(105, sentences)) + 1.5 * (sentence_of[:, None] == np.arange(sentences))
    both = ranks.rank_both(similarity, sentence_of)
    groups = np.array(
        [[similarity[sentence_of == g, text].max() for g in range(sentences)] for text in range(sentences)]
    )
    expected = {"v2t": judged(similarity, sentence_of), "t2v": judged(groups, np.arange(sentences))}
    for direction, values in expected.items():
        assert 0 < values["R@1"] < 100
        ours = summarise(both[direction].rank)
        assert {name: ours[name] for name in values} == pytest.approx(values)


def test_summary_equals_the_obvious_lines() -> None:
    for size in (1, 2, 9, 60):
        rank = np.random.default_rng(size).integers(1, 80, size)
        obvious = {f"R@{k}": 100 * sum(r <= k for r in rank.tolist()) / size for k in CUTOFFS}
        obvious["MedR"] = statistics.median(rank.tolist())
        obvious["MeanR"] = statistics.fmean(rank.tolist())
        obvious["MRR"] = statistics.fmean(1 / r for r in rank.tolist())
        assert summarise(rank) == pytest.approx(obvious)
        assert tuple(summarise(rank)) == METRICS


def test_intervals_equal_drawing_sentences_with_all_their_videos() -> None:
    generator = np.random.default_rng(0)
    cluster = generator.permutation(np.concatenate([np.arange(20), generator.integers(0, 20, 15)]))
    rank = generator.integers(1, 80, 35)
    found = intervals(rank, cluster, 200, np.random.default_rng(3))
    resampled = [
        summarise(np.concatenate([rank[cluster == sentence] for sentence in drawn]))
        for drawn in np.random.default_rng(3).integers(0, 20, size=(200, 20))
    ]
    for name in METRICS:
        values = [one[name] for one in resampled]
        assert found[name] == pytest.approx(tuple(np.percentile(values, [2.5, 97.5])))
        assert found[name][0] <= summarise(rank)[name] <= found[name][1]


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    generator = np.random.default_rng(5)
    truth, held = 60.0, 0
    for _ in range(100):
        rank = np.where(generator.random(100) < truth / 100, 1, 2)
        low, high = intervals(rank, np.arange(100), 200, generator)["R@1"]
        held += low <= truth <= high
    assert 88 <= held <= 99


def test_mean_and_deviation_over_seeds() -> None:
    measured = [{"fusion": {"t2v": dict.fromkeys(METRICS, value)}} for value in (40.0, 50.0, 66.0)]
    found = over_seeds(measured)
    assert found["mean"]["fusion"]["t2v"] == dict.fromkeys(METRICS, 52.0)
    assert found["std"]["fusion"]["t2v"]["R@1"] == pytest.approx(
        statistics.stdev([40, 50, 66]), abs=10**-metrics.DIGITS
    )
    with pytest.raises(ValueError, match="1 model has no standard deviation"):
        over_seeds(measured[:1])
