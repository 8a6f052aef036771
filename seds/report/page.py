"""An evaluation as one page to look at: numbers, curves, and single queries with pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds.config import Report
from seds.evaluation import results
from seds.evaluation.results import ResultError, read_json
from seds.pages import html
from seds.report import figures, queries
from seds.report.queries import RankedQuery
from seds.report.video_card import VideoCard, search_link, video_card
from seds.retrieval import ranks
from seds.retrieval.metrics import DIRECTIONS, METRICS

_QUERY = 300  # characters of a sentence that a link asks for


@dataclass(frozen=True)
class Results:
    """What stage evaluate left, and the manifest's rows of the videos that it ranked, in the matrices' order."""

    similarity: results.Similarity
    sentence_of: np.ndarray
    videos: pd.DataFrame
    texts: list[str]  # of each sentence
    test: dict[str, Any]
    intervals: dict[str, Any]
    groups: dict[str, Any]
    recall: list[dict[str, Any]]
    histogram: list[dict[str, Any]]


@dataclass(frozen=True)
class QueryCard:
    """A query on the page with its answer and rival. rival: None in a set of one sentence."""

    query: RankedQuery
    text: str
    text_link: str | None
    answer: VideoCard
    rival_text: str
    rival: VideoCard | None


def open_results(dataset: str, manifest: pd.DataFrame, root: Path = Path()) -> Results:
    """Raises ResultError naming a file that is missing, damaged or of another manifest, and what to run."""
    folder, metrics_folder = root / "results" / dataset, root / "metrics" / dataset
    command = f"dvc repro evaluate@{dataset}"
    similarity = results.read_similarity(folder / results.SIMILARITY)
    rows = manifest.set_index("video_id", drop=False)
    unlisted = [video_id for video_id in similarity.video_ids if video_id not in rows.index]
    if unlisted:
        raise ResultError(
            f"{folder / results.SIMILARITY} ranks {unlisted[0]!r}, which data/manifest/{dataset}.parquet does not "
            f"list; run: {command}"
        )
    videos = rows.loc[similarity.video_ids].reset_index(drop=True)
    column = {sentence_id: i for i, sentence_id in enumerate(similarity.sentence_ids)}
    sentence_of = np.array([column[sentence_id] for sentence_id in videos["sentence_id"]])
    _, first = np.unique(sentence_of, return_index=True)
    return Results(
        similarity,
        sentence_of,
        videos,
        videos["text"].iloc[first].tolist(),
        *(read_json(metrics_folder / name, command) for name in (results.TEST, results.INTERVALS, results.GROUPS)),
        *(read_json(folder / name, command) for name in (results.RECALL, results.HISTOGRAM)),
    )


def page(dataset: str, evaluated: Results, settings: Report) -> str:
    """The page, HTML, with nothing loaded from elsewhere. Videos are decoded for it; one that cannot be says why."""
    matrices = evaluated.similarity.streams
    streams = tuple(matrices)
    rankings = {stream: ranks.rank_both(matrix, evaluated.sentence_of) for stream, matrix in matrices.items()}
    cards = {}
    for direction in DIRECTIONS:
        chosen = queries.worst_and_best(rankings[streams[0]][direction], settings.worst, settings.best)
        cards[direction] = {
            kind: [_query_card(query, direction, rankings, evaluated, settings) for query in rows]
            for kind, rows in zip(("worst", "best"), chosen, strict=True)
        }
    template = html.environment("seds.report").get_template("report.html.j2")
    return template.render(
        name=dataset,
        evaluated=evaluated,
        streams=streams,
        directions=DIRECTIONS,
        metrics=METRICS,
        chance=100 / len(evaluated.texts),
        compared=_compared(rankings, streams),
        curves=[figures.recall_chart(evaluated.recall, direction, streams) for direction in DIRECTIONS],
        ranks=[figures.rank_chart(evaluated.histogram, direction, streams) for direction in DIRECTIONS],
        pictures=[figures.picture(stream, matrix, evaluated.sentence_of) for stream, matrix in matrices.items()],
        cards=cards,
        colours=figures.COLOURS,
        dashes=figures.DASHES,
        edges={name: getattr(figures, name) for name in ("LEFT", "RIGHT", "TOP", "BOTTOM")},
        height=figures.height,
        search_url=settings.search_url,
    )


def _compared(rankings: dict[str, Any], streams: Sequence[str]) -> list[tuple[str, str, int, int, int]]:
    """(stream, direction, queries that it ranks better, equally, worse than the main stream)."""
    rows = []
    for stream in streams[1:]:
        for direction in DIRECTIONS:
            ours, main = (rankings[name][direction].rank for name in (stream, streams[0]))
            rows.append(
                (stream, direction, int((ours < main).sum()), int((ours == main).sum()), int((ours > main).sum()))
            )
    return rows


def _query_card(
    query: int, direction: str, rankings: dict[str, Any], evaluated: Results, settings: Report
) -> QueryCard:
    stream = next(iter(rankings))
    matrix = evaluated.similarity.streams[stream]
    ranked = queries.look_up(query, direction, rankings, matrix, evaluated.sentence_of, stream)
    text = evaluated.texts[ranked.sentence]
    return QueryCard(
        ranked,
        text,
        search_link(settings.search_url, q=text[:_QUERY]),
        video_card(evaluated.videos, ranked.video, settings),
        "" if ranked.rival is None else evaluated.texts[ranked.rival],
        None if ranked.rival_video is None else video_card(evaluated.videos, ranked.rival_video, settings),
    )
