"""When each word of a sentence is signed in a video, by the weights with which the model compares them (SPEC 9, T2I).

A text token weights the video's tokens by a softmax of their cosines; a word has the mean weights of its tokens, in
which a token counts for more where the model has learnt that it does in the similarity. The
class token gets weight too but stands for no time, so its weight is given separately.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from seds.data.words import Words
from seds.model.similarity import TEMPERATURE
from seds.search.answer import Alignment, Moment

_LEAST = 1e-9  # what a token counts for at least, so that a word whose tokens count for nothing has a moment too


def align(words: Words, text: Tensor, video: Tensor, times: np.ndarray, counts_for: Tensor | None = None) -> Alignment:
    """Align the words of a sentence with the windows of a video.

    text: float32 [L,D], the sentence's valid tokens. video: float32 [R,D]: class token, V windows, and padding if that
    takes part. All tokens are unit vectors. times: float64 [V,2] s, the start and end of each window.
    """
    token_weights = F.softmax(text @ video.T / TEMPERATURE, -1).double().numpy()  # [L,R]
    rows = np.zeros((len(words.words), len(video)))
    for row, positions in zip(rows, words.positions, strict=True):
        valid = [position for position in positions if position < len(text)]
        if valid:
            shares = None if counts_for is None else counts_for[valid].double().numpy() + _LEAST
            row[:] = np.average(token_weights[valid], 0, shares)
    weights = rows[:, 1 : 1 + len(times)]
    moments = tuple(find_moment(row, times) for row in weights)
    return Alignment(words.words, times, weights, rows[:, 0], moments)


def find_moment(weights: np.ndarray, times: np.ndarray) -> Moment:
    """The moment of weights [V] >= 0 on windows with start and end times [V,2], ascending.

    It is the run of windows with the largest sum of (weight - mean weight), and lasts as long as their cells.
    """
    total = weights.sum()
    if total <= 0:
        return Moment(float(times[0, 0]), float(times[-1, 1]), 0.0)
    first, last = best_run(weights - weights.mean())
    edges = cell_edges(times)
    return Moment(float(edges[first]), float(edges[last + 1]), float(weights[first : last + 1].sum() / total))


def cell_edges(times: np.ndarray) -> np.ndarray:
    """Bounds of adjacent cells, one per window: float64 [V+1] s.

    Windows overlap, so each gets a cell that reaches halfway to the centres of its neighbours; the first cell begins
    with its window and the last one ends with its window.
    """
    centres = times.mean(1)
    return np.concatenate([times[:1, 0], (centres[1:] + centres[:-1]) / 2, times[-1:, 1]])


def best_run(values: np.ndarray) -> tuple[int, int]:
    """First and last index of the run with the largest sum, the shortest of equals (Kadane's algorithm)."""
    best_sum, best = -np.inf, (0, 0)
    running_sum, start = 0.0, 0
    for i, value in enumerate(values):
        if running_sum <= 0:
            running_sum, start = 0.0, i
        running_sum += value
        if running_sum > best_sum:
            best_sum, best = running_sum, (start, i)
    return best
