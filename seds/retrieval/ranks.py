"""Retrieval metrics in both directions, with the rule for ties written where ranks are counted.

T2V: each sentence's text ranks the sentences' video groups; a group scores as its best video.
V2T: each video ranks the sentences.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seds.retrieval.metrics import DIRECTIONS, intervals, rounded, summarise

Metrics = dict[str, dict[str, dict[str, float]]]  # {stream: {direction: {metric: value}}}
Intervals = dict[str, dict[str, dict[str, dict[str, float]]]]  # {stream: {direction: {metric: {"low", "high": value}}}}


@dataclass(frozen=True)
class Ranking:
    """One direction of one stream: for each query its rank, and what was ranked first.

    rank: int64 [Q], 1 = found first. right, best: the right candidate's and the first candidate's column, int64 [Q].
    scores: float64 [Q, C]. cluster: int64 [Q], the sentence that a query belongs to (videos of one sentence are not
    independent of each other, so the bootstrap draws sentences).
    """

    rank: np.ndarray
    right: np.ndarray
    best: np.ndarray
    scores: np.ndarray
    cluster: np.ndarray


def ranks(scores: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Rank of each query's right candidate: 1 + those strictly better + half of those that tie with it, rounded up.

    scores: [Q, C], higher is better; right: int [Q], column of the right candidate. Returns int64 [Q]. A constant score
    thus gets the middle rank, not the first, and every query counts once. Raises ValueError on scores that are not
    finite: such a model ranks nothing.
    """
    if not np.isfinite(scores).all():
        raise ValueError(f"{(~np.isfinite(scores)).sum()} of {scores.size} similarity scores are not finite")
    answer = np.take_along_axis(scores, right[:, None], axis=1)
    better = (scores > answer).sum(axis=1)
    tied = (scores == answer).sum(axis=1) - 1
    return 1 + better + (tied + 1) // 2


def rank_both(similarity: np.ndarray, sentence_of: np.ndarray) -> dict[str, Ranking]:
    """Both directions from one matrix.

    similarity: [videos, sentences]; sentence_of: int [videos], the column of each video's sentence. Every sentence
    needs at least one video. Returns {"t2v": Ranking, "v2t": Ranking}.
    """
    similarity = np.asarray(similarity, dtype=np.float64)
    sentences = similarity.shape[1]
    owners, counts = np.unique(sentence_of, return_counts=True)
    if len(owners) != sentences:
        raise ValueError(f"{sentences} sentences, but only {len(owners)} of them have a video")
    # Best video of each group, for each text: rows sorted by sentence, then one reduction a group.
    order = np.argsort(sentence_of, kind="stable")
    group_starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    grouped = np.maximum.reduceat(similarity[order], group_starts, axis=0)  # [groups, texts]
    columns = np.arange(sentences)
    result = {}
    for direction, scores, right in (("t2v", grouped.T, columns), ("v2t", similarity, np.asarray(sentence_of))):
        result[direction] = Ranking(ranks(scores, right), right, scores.argmax(axis=1), scores, right)
    return result


def evaluate(
    similarities: Mapping[str, np.ndarray], sentence_of: np.ndarray
) -> tuple[Metrics, dict[str, dict[str, Ranking]]]:
    """Metrics (seds.retrieval.metrics) and rankings of every stream: {stream: {direction: ...}}."""
    rankings = {stream: rank_both(similarity, sentence_of) for stream, similarity in similarities.items()}
    metrics = {
        stream: {direction: rounded(summarise(ranking.rank)) for direction, ranking in both.items()}
        for stream, both in rankings.items()
    }
    return metrics, rankings


def bootstrap(rankings: Mapping[str, Mapping[str, Ranking]], resamples: int, seed: int) -> Intervals:
    """95 % intervals of every metric, {stream: {direction: {metric: {"low": value, "high": value}}}}."""
    result: Intervals = {}
    for stream, both in rankings.items():
        for direction, ranking in both.items():
            ends_of = intervals(ranking.rank, ranking.cluster, resamples, np.random.default_rng(seed))
            ends = {metric: rounded(dict(zip(("low", "high"), pair, strict=True))) for metric, pair in ends_of.items()}
            result.setdefault(stream, {})[direction] = ends
    return result


def mean_recall(metrics: dict[str, dict[str, float]]) -> float:
    """R@1 averaged over both directions: what the epoch is chosen by."""
    return float(np.mean([metrics[direction]["R@1"] for direction in DIRECTIONS]))


def mean_rank(metrics: dict[str, dict[str, float]]) -> float:
    """MeanR averaged over both directions: decides between epochs of equal recall."""
    return float(np.mean([metrics[direction]["MeanR"] for direction in DIRECTIONS]))
