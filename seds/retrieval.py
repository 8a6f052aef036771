"""Retrieval metrics in both directions, with the rule for ties written where ranks are counted.

T2V: each sentence's text ranks the sentences' video groups; a group scores as its best video.
V2T: each video ranks the sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

DIRECTIONS = ("t2v", "v2t")
CUTOFFS = (1, 5, 10)


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
    own = np.take_along_axis(scores, right[:, None], axis=1)
    better = (scores > own).sum(axis=1)
    tied = (scores == own).sum(axis=1) - 1
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
        raise ValueError(f"{sentences} sentences, but only {len(owners)} of them own a video")
    # Best video of each group, for each text: rows sorted by sentence, then one reduction a group.
    order = np.argsort(sentence_of, kind="stable")
    group_starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    grouped = np.maximum.reduceat(similarity[order], group_starts, axis=0)  # [groups, texts]
    columns = np.arange(sentences)
    result = {}
    for direction, scores, right in (("t2v", grouped.T, columns), ("v2t", similarity, np.asarray(sentence_of))):
        result[direction] = Ranking(ranks(scores, right), right, scores.argmax(axis=1), scores, right)
    return result


def summarise(rank: np.ndarray) -> dict[str, float]:
    """R@1, R@5, R@10 in percent; median and mean rank."""
    summary = {f"R@{k}": 100.0 * float((rank <= k).mean()) for k in CUTOFFS}
    return summary | {"MedR": float(np.median(rank)), "MeanR": float(rank.mean())}


def bootstrap_interval(ranking: Ranking, resamples: int, generator: np.random.Generator) -> tuple[float, float]:
    """95 % percentile interval of R@1 in percent, drawing sentences with replacement (Efron, 1979)."""
    hits = (ranking.rank == 1).astype(np.float64)
    sentences = int(ranking.cluster.max()) + 1
    found = np.bincount(ranking.cluster, weights=hits, minlength=sentences)
    asked = np.bincount(ranking.cluster, minlength=sentences)
    drawn = generator.integers(0, sentences, size=(resamples, sentences))
    values = 100.0 * found[drawn].sum(axis=1) / asked[drawn].sum(axis=1)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def evaluate(
    similarities: dict[str, np.ndarray], sentence_of: np.ndarray, resamples: int = 0, seed: int = 0
) -> tuple[dict[str, dict[str, dict[str, float]]], dict[str, dict[str, Ranking]]]:
    """Metrics and rankings of every stream: {stream: {direction: {metric: value}}}, {stream: {direction: Ranking}}."""
    metrics: dict[str, dict[str, dict[str, float]]] = {}
    rankings: dict[str, dict[str, Ranking]] = {}
    for stream, similarity in similarities.items():
        rankings[stream] = rank_both(similarity, sentence_of)
        metrics[stream] = {}
        for direction, ranking in rankings[stream].items():
            values = summarise(ranking.rank)
            if resamples:
                low, high = bootstrap_interval(ranking, resamples, np.random.default_rng(seed))
                values |= {"R@1_low": low, "R@1_high": high}
            metrics[stream][direction] = {name: round(value, 4) for name, value in values.items()}
    return metrics, rankings


def mean_recall(metrics: dict[str, dict[str, float]]) -> float:
    """R@1 averaged over both directions: what the epoch is chosen by."""
    return float(np.mean([metrics[direction]["R@1"] for direction in DIRECTIONS]))


def mean_rank(metrics: dict[str, dict[str, float]]) -> float:
    """MeanR averaged over both directions: decides between epochs of equal recall."""
    return float(np.mean([metrics[direction]["MeanR"] for direction in DIRECTIONS]))


def sentence_columns(sentence_ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The distinct sentences in order of first appearance, and each video's column among them (int64 [videos])."""
    column: dict[str, int] = {}
    columns = np.array([column.setdefault(s, len(column)) for s in sentence_ids], dtype=np.int64)
    return list(column), columns


def ranks_table(
    rankings: dict[str, dict[str, Ranking]], video_ids: Sequence[str], sentence_ids: Sequence[str]
) -> pd.DataFrame:
    """One row a stream, direction and query (tables.RANKS). T2V queries and all candidates are sentences."""
    sentences = np.asarray(sentence_ids, dtype=object)
    parts = []
    for stream, directions in rankings.items():
        for direction, ranking in directions.items():
            queries = np.arange(len(ranking.rank))
            parts.append(
                pd.DataFrame(
                    {
                        "direction": direction,
                        "stream": stream,
                        "query": sentences if direction == "t2v" else np.asarray(video_ids, dtype=object),
                        "rank": ranking.rank,
                        "score": ranking.scores[queries, ranking.right],
                        "best": sentences[ranking.best],
                        "best_score": ranking.scores[queries, ranking.best],
                        "candidates": len(sentences),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)
