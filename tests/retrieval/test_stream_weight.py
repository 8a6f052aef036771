"""The weight that held-out sentences choose."""

import math

import numpy as np
import pytest

from seds.retrieval import stream_weight

RIGHT, WRONG = 3 * np.eye(4), 3 * np.roll(np.eye(4), 1, axis=1)
OF = np.arange(4)


def test_cross_entropy_is_that_of_both_directions() -> None:
    similarity, of = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 1, 2, 1, 0])
    rows = [math.log(np.exp(scores).sum()) - scores[right] for scores, right in zip(similarity, of, strict=True)]
    groups = np.stack([similarity[of == sentence].max(axis=0) for sentence in range(3)])  # [groups, texts]
    columns = [math.log(np.exp(groups[:, text]).sum()) - groups[text, text] for text in range(3)]
    expected = (np.mean(rows) + np.mean(columns)) / 2
    assert stream_weight.cross_entropy(similarity, of) == pytest.approx(expected)


def test_weight_with_the_lowest_cross_entropy_is_chosen() -> None:
    assert stream_weight.choose({0.0: WRONG, 0.3: WRONG, 0.9: RIGHT, 1.0: WRONG}, OF) == 0.9
    assert stream_weight.choose({0.5: RIGHT, 1.0: 2 * RIGHT}, OF) == 1.0, "surer, though neither misses any"


@pytest.mark.parametrize(("weights", "expected"), [((0.0, 0.2, 0.6, 1.0), 0.6), ((0.9, 0.4), 0.4), ((1.0,), 1.0)])
def test_equal_weights_give_the_one_nearest_to_a_half(weights: tuple[float, ...], expected: float) -> None:
    assert stream_weight.choose(dict.fromkeys(weights, RIGHT), OF) == expected


def test_weights_tried_have_both_ends_and_the_published_half() -> None:
    assert {0.0, 0.5, 1.0} <= set(stream_weight.WEIGHTS)
