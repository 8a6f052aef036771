"""Two models compared on one page: differences of the metrics, and the queries that changed most, with pictures."""

from __future__ import annotations

from dataclasses import dataclass

from seds.compare import differences
from seds.compare.differences import Pair, Row
from seds.compare.printed import number, p_value
from seds.config import Report
from seds.pages import html
from seds.report import queries
from seds.report.video_card import VideoCard, search_link, video_card
from seds.retrieval.metrics import DIRECTIONS, METRICS

_QUERY = 300  # characters of a sentence that a link asks for


@dataclass(frozen=True)
class Found:
    """What a model ranks first in place of the answer: the sentence, and the video of it that is shown."""

    text: str
    video: VideoCard
    score: float


@dataclass(frozen=True)
class ChangedQuery:
    """A query of the main streams; `found` is what each model, A and B, ranks first instead, None where it is right."""

    text: str
    link: str | None
    answer: VideoCard
    ranks: tuple[int, int]
    found: tuple[Found | None, Found | None]


def page(dataset: str, pair: Pair, rows: list[Row], resamples: int, settings: Report) -> str:
    """The page, HTML, with nothing loaded from elsewhere. Videos are decoded for it; one that cannot be says why.

    settings: how many queries that got worse (`worst`) and better (`best`) are shown with pictures, and how many of
    these.
    """
    before, after = differences.rankings(pair)
    main = pair.streams[0]
    cards = {}
    for direction in DIRECTIONS:
        old, new = before[main[0]][direction].rank, after[main[1]][direction].rank
        chosen = differences.most_changed(old, new, settings.worst, settings.best)
        cards[direction] = {
            kind: [_changed(query, direction, pair, (before, after), settings) for query in members]
            for kind, members in zip(("worse", "better"), chosen, strict=True)
        }
    template = html.environment("seds.compare", "seds.report").get_template("compare.html.j2")
    return template.render(
        name=dataset,
        pair=pair,
        rows=rows,
        main=rows[0].stream,
        metrics=METRICS,
        directions=DIRECTIONS,
        resamples=resamples,
        cards=cards,
        number=number,
        p_value=p_value,
    )


def _changed(
    query: int, direction: str, pair: Pair, rankings: tuple[queries.Rankings, queries.Rankings], settings: Report
) -> ChangedQuery:
    looked_up = [
        queries.look_up(query, direction, ranked, matrices[stream], pair.sentence_of, stream)
        for ranked, matrices, stream in zip(rankings, pair.similarities, pair.streams[0], strict=True)
    ]
    found: list[Found | None] = []
    for one, stream in zip(looked_up, pair.streams[0], strict=True):
        if one.rank[stream] == 1 or one.rival is None or one.rival_video is None or one.rival_score is None:
            found.append(None)
        else:
            card = video_card(pair.videos, one.rival_video, settings)
            found.append(Found(pair.texts[one.rival], card, one.rival_score))
    now = looked_up[1]
    text = pair.texts[now.sentence]
    return ChangedQuery(
        text,
        search_link(settings.search_url, q=text[:_QUERY]),
        video_card(pair.videos, now.video, settings),
        (looked_up[0].rank[pair.streams[0][0]], now.rank[pair.streams[0][1]]),
        (found[0], found[1]),
    )
