"""Alignments of synthetic tokens, where the answer is known."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from seds.data.tokens import ClipTokeniser
from seds.data.words import Words
from seds.model.similarity import TEMPERATURE
from seds.search.alignment import align, best_run, cell_edges, find_moment

TIMES = np.stack([np.arange(8) * 0.1, np.arange(8) * 0.1 + 0.64], axis=1)  # windows overlap


def similar_tokens(matches: dict[int, list[int]], words: int, windows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Tokens of a text and a video: text token j is similar to the windows matches[j] and to no other."""
    text = torch.eye(words, words + 1 + windows)
    video = torch.eye(words + 1 + windows)[words:]
    for word, matching in matches.items():
        for window in matching:
            video[1 + window, word] = 5
    return F.normalize(text, dim=-1), F.normalize(video, dim=-1)


def test_a_word_is_aligned_with_the_windows_similar_to_it() -> None:
    words = ClipTokeniser().words("cat sleeps", 32)  # start, cat, sleeps, end
    text, video = similar_tokens({1: [1, 2], 2: [5, 6, 7]}, 4, 8)
    alignment = align(words, text, video, TIMES)
    assert alignment.words == ("cat", "sleeps")
    assert alignment.weights[0, [1, 2]].sum() > 0.99
    assert alignment.weights[1, [5, 6, 7]].sum() > 0.99
    centres = TIMES.mean(1)
    cat, sleeps = alignment.moments
    assert (cat.start_s, cat.end_s) == pytest.approx((centres[1] - 0.05, centres[2] + 0.05))
    assert (sleeps.start_s, sleeps.end_s) == pytest.approx((centres[5] - 0.05, TIMES[-1, 1]))
    assert cat.score == pytest.approx(1, abs=0.01)


def test_weights_are_softmax_of_cosines_averaged_over_tokens() -> None:
    generator = torch.Generator().manual_seed(0)
    text, video = (F.normalize(torch.randn(n, 6, generator=generator), dim=-1) for n in (5, 9))
    words = Words(("one", "two", "lost"), ((1,), (2, 3), ()))
    alignment = align(words, text, video, TIMES)
    cosines = (text @ video.T).double().numpy()
    choice = np.exp(cosines / TEMPERATURE) / np.exp(cosines / TEMPERATURE).sum(1, keepdims=True)
    np.testing.assert_allclose(alignment.weights[0], choice[1, 1:], atol=1e-6)
    np.testing.assert_allclose(alignment.weights[1], (choice[2, 1:] + choice[3, 1:]) / 2, atol=1e-6)
    np.testing.assert_allclose(alignment.class_weights[:2], [choice[1, 0], choice[2:4, 0].mean()], atol=1e-6)
    np.testing.assert_allclose(alignment.weights[:2].sum(1) + alignment.class_weights[:2], 1, atol=1e-6)
    assert not alignment.weights[2].any()
    weighed = align(words, text, video, TIMES, torch.tensor([0.1, 0.4, 0.3, 0.1, 0.1])).weights
    np.testing.assert_allclose(weighed[0], choice[1, 1:], atol=1e-6)
    np.testing.assert_allclose(weighed[1], 0.75 * choice[2, 1:] + 0.25 * choice[3, 1:], atol=1e-6)
    assert (alignment.moments[2].start_s, alignment.moments[2].end_s, alignment.moments[2].score) == (
        0,
        TIMES[-1, 1],
        0,
    )


def test_a_single_window_is_its_own_moment() -> None:
    moment = find_moment(np.array([0.4]), np.array([[0.0, 0.64]]))
    assert (moment.start_s, moment.end_s, moment.score) == (0, 0.64, 1)


def test_best_run_equals_trying_all_runs() -> None:
    generator = np.random.default_rng(0)
    for size in (1, 2, 5, 12):
        for _ in range(50):
            values = generator.normal(size=size).round(1)
            sums = {(i, j): values[i : j + 1].sum() for i in range(size) for j in range(i, size)}
            assert sums[best_run(values)] == pytest.approx(max(sums.values()))


def test_moments_lie_in_the_video_and_hold_their_share() -> None:
    generator = np.random.default_rng(1)
    for _ in range(50):
        weights = generator.dirichlet(np.full(8, 0.3))
        moment = find_moment(weights, TIMES)
        assert 0 <= moment.start_s < moment.end_s <= TIMES[-1, 1]
        inside = (moment.start_s - 1e-9 <= TIMES.mean(1)) & (TIMES.mean(1) <= moment.end_s + 1e-9)
        assert moment.score == pytest.approx(weights[inside].sum())
        assert moment.score >= weights.max() - 1e-9, "no single window is a better moment"


def test_cells_touch_and_each_holds_its_windows_centre() -> None:
    times = np.array([[0, 0.6], [0.1, 0.7], [0.9, 1.5]])  # frames without hands lie between the last two
    np.testing.assert_allclose(cell_edges(times), [0, 0.35, 0.8, 1.5])
    np.testing.assert_allclose(cell_edges(times[:1]), times[0])
