"""Two models on the same queries: how far each metric differs, and whether the choice of queries explains it.

The bootstrap is paired: both models are measured on the same resamples of the test sentences, so what makes a sentence
hard for both cancels out. The interval holds the middle 95 % of the resampled differences (Efron, 1979). p is the share
of resamples that stray from the observed difference by at least its size, which is how often chance would bring it
about between equals (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 16.4; for rankings Smucker et al.,
CIKM 2007). It answers for other test sentences, not for other seeds of training.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from seds.compare.evaluated import CompareError, Evaluated
from seds.data.split import sentence_columns
from seds.retrieval import ranks
from seds.retrieval.metrics import DIRECTIONS, METRICS, resampled, summarise
from seds.retrieval.ranks import Ranking

_ROUNDING = 1e-9  # two resamples that differ by less are equal


@dataclass(frozen=True)
class Difference:
    """Of a metric: its value for both models, what the second has more, its 95 % interval, and p."""

    first: float
    second: float
    low: float
    high: float
    p: float

    @property
    def change(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class Outcome:
    """Queries that the second model ranks better, equally and worse; and those that only one of them finds first."""

    won: int
    same: int
    lost: int
    first_now: int
    first_before: int


@dataclass(frozen=True)
class Row:
    """A stream of the first model against one of the second, in one direction."""

    streams: tuple[str, str]
    direction: str
    queries: int
    metrics: dict[str, Difference]
    outcome: Outcome

    @property
    def stream(self) -> str:
        return self.streams[0] if len(set(self.streams)) == 1 else " → ".join(self.streams)


@dataclass(frozen=True)
class Pair:
    """Two evaluations cut down to the videos and sentences that both have.

    similarities: of the first and of the second, {stream: [videos, sentences]}. sentence_of: int [videos]. videos,
    texts: as the second has them. left_out: videos that only the first and only the second ranked. other_texts:
    sentences whose texts differ.
    """

    names: tuple[str, str]
    similarities: tuple[dict[str, np.ndarray], dict[str, np.ndarray]]
    sentence_of: np.ndarray
    videos: pd.DataFrame
    texts: list[str]
    left_out: tuple[int, int]
    other_texts: int

    @property
    def streams(self) -> list[tuple[str, str]]:
        """Which streams are compared: the main ones, and those that both have."""
        first, second = self.similarities
        main = (next(iter(first)), next(iter(second)))
        return list(dict.fromkeys([main, *((stream, stream) for stream in first if stream in second)]))


def pair(first: Evaluated, second: Evaluated) -> Pair:
    """Raises CompareError unless they have videos in common, each of the same sentence."""
    before = first.videos.set_index("video_id")
    after = second.videos.set_index("video_id", drop=False)
    common = [video_id for video_id in second.similarity.video_ids if video_id in before.index]
    if not common:
        raise CompareError(f"{first.name} and {second.name} have no test video in common; are they of one corpus?")
    sentences = before.loc[common, "sentence_id"]
    moved = [video_id for video_id in common if sentences[video_id] != after.loc[video_id, "sentence_id"]]
    if moved:
        raise CompareError(
            f"{moved[0]!r} signs sentence {sentences[moved[0]]!r} in {first.name} and "
            f"{after.loc[moved[0], 'sentence_id']!r} in {second.name}, so they do not answer the same queries"
        )
    sentence_ids, sentence_of = sentence_columns(sentences.tolist())
    videos = after.loc[common].reset_index(drop=True)
    _, firsts = np.unique(sentence_of, return_index=True)
    texts = videos["text"].iloc[firsts].tolist()
    old_texts = before.loc[common, "text"].iloc[firsts].tolist()
    return Pair(
        (first.name, second.name),
        (_part(first, common, sentence_ids), _part(second, common, sentence_ids)),
        sentence_of,
        videos,
        texts,
        (len(before) - len(common), len(after) - len(common)),
        sum(old != new for old, new in zip(old_texts, texts, strict=True)),
    )


def _part(evaluated: Evaluated, video_ids: Sequence[str], sentence_ids: Sequence[str]) -> dict[str, np.ndarray]:
    rows = pd.Index(evaluated.similarity.video_ids).get_indexer(pd.Index(video_ids))
    columns = pd.Index(evaluated.similarity.sentence_ids).get_indexer(pd.Index(sentence_ids))
    return {stream: matrix[np.ix_(rows, columns)] for stream, matrix in evaluated.similarity.streams.items()}


def rankings(pair: Pair) -> tuple[dict[str, dict[str, Ranking]], dict[str, dict[str, Ranking]]]:
    """Of the first and of the second model, {stream: {direction: ...}}."""
    first, second = (
        {stream: ranks.rank_both(matrix, pair.sentence_of) for stream, matrix in matrices.items()}
        for matrices in pair.similarities
    )
    return first, second


def compare(pair: Pair, resamples: int, seed: int) -> list[Row]:
    """A row a pair of streams and direction."""
    before, after = rankings(pair)
    rows = []
    for streams in pair.streams:
        for direction in DIRECTIONS:
            old, new = before[streams[0]][direction], after[streams[1]][direction]
            metrics = differences(old.rank, new.rank, old.cluster, resamples, np.random.default_rng(seed))
            rows.append(Row(streams, direction, len(old.rank), metrics, outcome(old.rank, new.rank)))
    return rows


def differences(
    first: np.ndarray, second: np.ndarray, cluster: np.ndarray, resamples: int, generator: np.random.Generator
) -> dict[str, Difference]:
    """{metric: Difference} of METRICS, drawing whole clusters of queries with replacement, the same for both.

    first, second, cluster: int64 [Q], ranks and clusters as for metrics.intervals. p is at least 1 / (resamples + 1).
    """
    clusters = int(cluster.max()) + 1
    drawn = generator.integers(0, clusters, size=(resamples, clusters))
    changes = resampled(second, cluster, drawn) - resampled(first, cluster, drawn)
    low, high = np.percentile(changes, [2.5, 97.5], axis=0)
    before, after = summarise(first), summarise(second)
    result = {}
    for i, name in enumerate(METRICS):
        change = after[name] - before[name]
        stray = int((np.abs(changes[:, i] - change) >= abs(change) - _ROUNDING).sum())
        p = (1 + stray) / (1 + resamples)
        result[name] = Difference(before[name], after[name], float(low[i]), float(high[i]), p)
    return result


def outcome(first: np.ndarray, second: np.ndarray) -> Outcome:
    """Of int [Q] ranks."""
    return Outcome(
        int((second < first).sum()),
        int((second == first).sum()),
        int((second > first).sum()),
        int(((second == 1) & (first > 1)).sum()),
        int(((second > 1) & (first == 1)).sum()),
    )


def most_changed(first: np.ndarray, second: np.ndarray, worse: int, better: int) -> tuple[list[int], list[int]]:
    """The queries that lose most, and those that gain most, by 1 / rank: a fall from 1 to 5 tells more than 60 to 90.

    first, second: int [Q] ranks. Equal changes stand in the order of the ranks' difference.
    """
    change = 1 / second - 1 / first
    order = np.lexsort((first - second, change))
    falls = [int(query) for query in order if second[query] > first[query]]
    rises = [int(query) for query in order[::-1] if second[query] < first[query]]
    return falls[:worse], rises[:better]
