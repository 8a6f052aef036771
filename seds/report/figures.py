"""Coordinates of the report's charts, in units of their SVGs: this computes, the template draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from seds.pages.html import palette_url

# The inside of a chart.
LEFT, RIGHT, TOP, BOTTOM = 44.0, 344.0, 10.0, 190.0
# Of streams, told apart by people who see few colours (Okabe and Ito, 2008) and by the dash.
COLOURS = ("#0b5fa5", "#b8480a", "#00795a", "#a5407c")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
_GAP = 0.2  # of a group of bars, left free
PICTURE = 400  # rows and columns of a picture of similarities, at most


@dataclass(frozen=True)
class Line:
    stream: str
    colour: str
    dash: str
    points: str  # of an SVG polyline


@dataclass(frozen=True)
class Bar:
    stream: str
    colour: str
    x: float
    y: float
    width: float
    height: float
    label: str


@dataclass(frozen=True)
class Chart:
    """One direction. ticks: (x, text) below the axis."""

    direction: str
    lines: tuple[Line, ...]
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True)
class Picture:
    """Similarities as an image: a row a video, a column a sentence, the right answers on the diagonal."""

    stream: str
    url: str
    rows: int
    total: int  # sentences of which `rows` are shown
    low: float  # the scores of the darkest and the brightest colour
    high: float


def height(percent: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * percent / 100


def recall_chart(rows: Sequence[dict[str, Any]], direction: str, streams: Sequence[str]) -> Chart:
    """rows: of seds.evaluation.curves.recall. K runs logarithmically to the number of candidates."""
    rows = [row for row in rows if row["direction"] == direction]
    last = max(int(row["K"]) for row in rows)

    def x(k: int) -> float:
        return LEFT + (RIGHT - LEFT) * (math.log(k) / math.log(last) if last > 1 else 0.5)

    lines = []
    for i, stream in enumerate(streams):
        points = [f"{x(row['K']):.1f},{height(row['recall']):.1f}" for row in rows if row["stream"] == stream]
        lines.append(Line(stream, COLOURS[i], DASHES[i], " ".join(points)))
    marks = [k for k in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000) if k < last]
    while marks and RIGHT - x(marks[-1]) < 26:  # no room beside the last one's number
        marks.pop()
    return Chart(direction, tuple(lines), (), tuple((x(k), str(k)) for k in [*marks, last]))


def rank_chart(rows: Sequence[dict[str, Any]], direction: str, streams: Sequence[str]) -> Chart:
    """rows: of seds.evaluation.curves.histogram. A group of bars a range of ranks, a bar a stream."""
    rows = [row for row in rows if row["direction"] == direction]
    names = list(dict.fromkeys(row["ranks"] for row in rows))
    slot = (RIGHT - LEFT) / len(names)
    wide = slot * (1 - _GAP) / len(streams)
    bars = []
    for row in rows:
        stream, group = streams.index(row["stream"]), names.index(row["ranks"])
        x = LEFT + slot * (group + _GAP / 2) + wide * stream
        top = height(row["share"])
        label = f"{row['stream']}: {row['queries']:,} queries ({row['share']:.1f} %) of rank {row['ranks']}"
        bars.append(Bar(row["stream"], COLOURS[stream], x, top, wide, BOTTOM - top, label))
    ends = [name.split("-")[-1] for name in names]  # there is no room for more
    ticks = tuple(
        (LEFT + slot * (i + 0.5), end if end == name else f"≤{end}")
        for i, (name, end) in enumerate(zip(names, ends, strict=True))
    )
    return Chart(direction, (), tuple(bars), ticks)


def picture(stream: str, similarity: np.ndarray, sentence_of: np.ndarray) -> Picture:
    """One video of each sentence, the first, against all sentences; of many sentences an even choice.

    similarity: [videos, sentences]; sentence_of: int [videos]. The colours end at the 1st and the 99.9th percentile.
    """
    sentences = similarity.shape[1]
    _, first = np.unique(sentence_of, return_index=True)
    chosen = np.linspace(0, sentences - 1, min(sentences, PICTURE)).round().astype(int)
    shown = similarity[first[chosen]][:, chosen].astype(np.float64)
    low, high = np.percentile(shown, (1, 99.9))
    levels = np.clip(255 * (shown - low) / max(high - low, np.finfo(float).tiny), 0, 255).astype(np.uint8)
    colours = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)[:, 0, ::-1]
    url = palette_url(levels, np.ascontiguousarray(colours))
    return Picture(stream, url, len(chosen), sentences, float(low), float(high))
