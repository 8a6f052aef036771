"""What came out of an evaluation as one page to look at: numbers, curves, and single queries with pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pandas as pd

from seds.config import Report
from seds.evaluation import results
from seds.evaluation.results import ResultError
from seds.pages import html
from seds.report import cases, figures
from seds.report.cases import Case
from seds.report.thumbnails import thumbnails
from seds.retrieval import ranks
from seds.retrieval.metrics import DIRECTIONS, METRICS
from seds.video import VideoError

_THUMB = 144  # px
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
class Shown:
    """A video on the page: pictures as data: URLs, or why there are none."""

    video_id: str
    signer: str
    pictures: tuple[str, ...]
    problem: str
    link: str | None


@dataclass(frozen=True)
class Story:
    """A case as it is told. rival: of a set of one sentence there is none."""

    case: Case
    text: str
    text_link: str | None
    answer: Shown
    rival_text: str
    rival: Shown | None


def open_results(dataset: str, manifest: pd.DataFrame, root: Path = Path()) -> Results:
    """Raises ResultError naming a file that is missing, damaged or of another manifest, and what to run."""
    place, metrics = root / "results" / dataset, root / "metrics" / dataset
    similarity = results.read_similarity(place / results.SIMILARITY)
    rows = manifest.set_index("video_id", drop=False)
    lost = [video_id for video_id in similarity.video_ids if video_id not in rows.index]
    if lost:
        raise ResultError(
            f"{place / results.SIMILARITY} ranks {lost[0]!r}, which data/manifest/{dataset}.parquet does not list; "
            f"run: dvc repro evaluate@{dataset}"
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
        *(_read_json(metrics / f"{name}.json", dataset) for name in ("test", "test_intervals", "test_groups")),
        *(_read_json(place / name, dataset) for name in (results.RECALL, results.HISTOGRAM)),
    )


def page(dataset: str, found: Results, settings: Report) -> str:
    """The page, HTML, with nothing loaded from elsewhere. Videos are decoded for it; one that cannot be says why."""
    streams = tuple(found.similarity.streams)
    rankings = {s: ranks.rank_both(matrix, found.sentence_of) for s, matrix in found.similarity.streams.items()}
    told = {}
    for direction in DIRECTIONS:
        worst, best = cases.choose(rankings[streams[0]][direction], settings.worst, settings.best)
        told[direction] = {
            kind: [_story(query, direction, rankings, found, settings) for query in queries]
            for kind, queries in (("worst", worst), ("best", best))
        }
    template = html.environment("seds.report").get_template("report.html.j2")
    return template.render(
        name=dataset,
        found=found,
        streams=streams,
        directions=DIRECTIONS,
        metrics=METRICS,
        chance=100 / len(found.texts),
        compared=_compared(rankings, streams),
        curves=[figures.recall_chart(found.recall, direction, streams) for direction in DIRECTIONS],
        ranks=[figures.rank_chart(found.histogram, direction, streams) for direction in DIRECTIONS],
        pictures=[figures.picture(s, m, found.sentence_of) for s, m in found.similarity.streams.items()],
        told=told,
        colours=figures.COLOURS,
        places={name: getattr(figures, name) for name in ("LEFT", "RIGHT", "TOP", "BOTTOM")},
        height=figures.height,
        search_url=settings.search_url,
    )


def search_link(base: str | None, **query: str) -> str | None:
    """A link into the search page: q=TEXT or video=VIDEO_ID; None where there is no base."""
    if base is None:
        return None
    return f"{base.rstrip('/')}/?{urlencode(query, quote_via=quote, errors='replace')}"


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


def _story(query: int, direction: str, rankings: dict[str, Any], found: Results, settings: Report) -> Story:
    stream = next(iter(rankings))
    matrix = found.similarity.streams[stream]
    case = cases.look_up(query, direction, rankings, matrix, found.sentence_of, stream)
    text = found.texts[case.sentence]
    return Story(
        case,
        text,
        search_link(settings.search_url, q=text[:_QUERY]),
        _shown(found.videos, case.video, settings),
        "" if case.rival is None else found.texts[case.rival],
        None if case.rival_video is None else _shown(found.videos, case.rival_video, settings),
    )


def _shown(videos: pd.DataFrame, row: int, settings: Report) -> Shown:
    video = next(videos.iloc[[row]].itertuples())
    link = search_link(settings.search_url, video=video.video_id)
    try:
        pictures = tuple(html.jpeg_url(image) for image in thumbnails(video, settings.frames, _THUMB))
    except (VideoError, ValueError, OSError) as error:
        return Shown(video.video_id, video.signer, (), str(error), link)
    return Shown(video.video_id, video.signer, pictures, "", link)


def _read_json(path: Path, dataset: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ResultError(f"{path} cannot be read ({error}); make it with: dvc repro evaluate@{dataset}") from None
