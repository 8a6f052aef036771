"""Drawings say what the numbers say."""

import base64
import io
import itertools

import numpy as np
import pytest
from PIL import Image

from seds.evaluation import curves
from seds.report import figures
from seds.report.figures import BOTTOM, LEFT, RIGHT, TOP
from seds.retrieval.ranks import rank_both

STREAMS = ("fusion", "pose")


def rankings(sentences: int) -> dict:
    generator = np.random.default_rng(0)
    matrices = {s: generator.normal(size=(sentences, sentences)) + 2 * np.eye(sentences) for s in STREAMS}
    return {s: rank_both(matrix, np.arange(sentences)) for s, matrix in matrices.items()}


@pytest.mark.slow
@pytest.mark.parametrize("sentences", [1, 2, 9, 60, 2400])
def test_curves_and_bars_stay_inside_and_their_ticks_apart(sentences: int) -> None:
    found = rankings(sentences)
    chart = figures.recall_chart(curves.recall(found), "t2v", STREAMS)
    assert [line.stream for line in chart.lines] == list(STREAMS)
    for line, both in zip(chart.lines, found.values(), strict=True):
        points = [tuple(map(float, point.split(","))) for point in line.points.split()]
        assert all(LEFT <= x <= RIGHT and TOP <= y <= BOTTOM for x, y in points)
        share = (both["t2v"].rank == 1).mean()
        assert points[0][1] == pytest.approx(BOTTOM - share * (BOTTOM - TOP), abs=0.06)
        assert points[-1][1] == pytest.approx(TOP)
    bars = figures.rank_chart(curves.histogram(found), "v2t", STREAMS)
    assert sum(bar.height for bar in bars.bars) == pytest.approx(len(STREAMS) * (BOTTOM - TOP), rel=1e-3)
    assert all(bar.x >= LEFT and bar.x + bar.width <= RIGHT for bar in bars.bars)
    for ticks in (chart.ticks, bars.ticks):
        assert ticks[-1][1].lstrip("≤") == str(sentences)
        for (left, a), (right, b) in itertools.pairwise(ticks):
            assert right - left > 3.6 * (len(a) + len(b)), f"{a} and {b} need room of 7 units a letter"


def test_picture_has_the_right_answers_on_its_diagonal() -> None:
    generator = np.random.default_rng(1)
    for sentences in (30, 3 * figures.PICTURE + 7):
        sentence_of = generator.permutation(np.concatenate([np.arange(sentences)] * 2))
        similarity = generator.normal(size=(2 * sentences, sentences)) + 20 * (
            sentence_of[:, None] == np.arange(sentences)
        )
        shown = figures.picture("pose", similarity.astype(np.float32), sentence_of)
        size = min(sentences, figures.PICTURE)
        assert (shown.rows, shown.total) == (size, sentences)
        image = Image.open(io.BytesIO(base64.b64decode(shown.url.partition(",")[2])))
        assert image.size == (size, size)
        brightness = np.asarray(image.convert("L")).astype(int)
        assert (brightness.argmax(axis=1) == np.arange(size)).mean() > 0.95
        assert len(shown.url) < 250_000


def test_equal_scores_are_a_plain_picture() -> None:
    shown = figures.picture("pose", np.ones((3, 3), np.float32), np.arange(3))
    assert shown.low == shown.high == 1
