"""Single queries worth a look, the worst and the best ranked, each with the candidate that competes with the answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from seds.retrieval.ranks import Ranking

Rankings = Mapping[str, Mapping[str, Ranking]]  # {stream: {direction: ...}}


@dataclass(frozen=True)
class RankedQuery:
    """A query of one direction. Its answer is what it should find; its rival the best-scoring of all others.

    query: row of the direction's ranking, a sentence (t2v) or a video (v2t). rank: in each stream. sentence, video: of
    the answer; of T2V the video is the best of the sentence's, of V2T it is the query. The rival, where there is one:
    its sentence, and the video of it that is shown.
    """

    query: int
    rank: dict[str, int]
    sentence: int
    video: int
    score: float
    rival: int | None
    rival_video: int | None
    rival_score: float | None

    @property
    def is_first(self) -> bool:
        """Whether nothing scored as high as the answer."""
        return self.rival_score is None or self.score > self.rival_score


def worst_and_best(ranking: Ranking, worst: int, best: int) -> tuple[list[int], list[int]]:
    """Queries: up to `worst` not ranked first, worst first, and up to `best` ranked first, widest margin first."""
    answers = np.take_along_axis(ranking.scores, ranking.right[:, None], axis=1)
    others = ranking.scores.copy()
    np.put_along_axis(others, ranking.right[:, None], -np.inf, axis=1)
    margin = answers[:, 0] - others.max(axis=1)  # infinite where there are no others
    order = np.lexsort((margin, -ranking.rank))
    missed = [int(query) for query in order if ranking.rank[query] > 1]
    first = [int(query) for query in np.argsort(-margin, kind="stable") if ranking.rank[query] == 1]
    return missed[:worst], first[:best]


def look_up(
    query: int,
    direction: str,
    rankings: Rankings,
    similarity: np.ndarray,
    sentence_of: np.ndarray,
    stream: str,
) -> RankedQuery:
    """What `stream` makes of a query. similarity: its matrix, [videos, sentences]; sentence_of: int [videos]."""
    ranking = rankings[stream][direction]
    sentence, row = int(ranking.right[query]), ranking.scores[query].copy()
    score, row[sentence] = float(row[sentence]), -np.inf
    rival = int(row.argmax()) if len(row) > 1 else None

    def best_video(of: int) -> int:
        """Of a sentence's videos the one most like the text asked for; where a video asks, most like its own text."""
        videos = np.flatnonzero(sentence_of == of)
        return int(videos[similarity[videos, query if direction == "t2v" else of].argmax()])

    return RankedQuery(
        query,
        {name: int(both[direction].rank[query]) for name, both in rankings.items()},
        sentence,
        best_video(sentence) if direction == "t2v" else query,
        score,
        rival,
        None if rival is None else best_video(rival),
        None if rival is None else float(row[rival]),
    )
