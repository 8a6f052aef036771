"""Which seconds of a video answer which word of a sentence: the model's own choice among the windows (SPEC 9, T2I).

A text token chooses among the video's tokens by a softmax of their cosines; a word's choice is the mean of its
tokens'. The class token is among the candidates and stands for no time, so its share is told apart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from seds.model.similarity import TEMPERATURE
from seds.search.words import Words


@dataclass(frozen=True)
class Moment:
    """The span in which a word's weight exceeds an even share by most; seconds from the start of the video's cut.

    score: the share of the word's weight on windows that lies in it, in [0,1].
    """

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Alignment:
    """words: of the sentence, as the tokeniser reads them. times: float64 [V,2] s, what each window spans.

    weights: float64 [words,V], the share of each word's choice on each window. class_weights: float64 [words], its
    share on the class token. A row and its class weight sum to 1 (less where padding is chosen, too: published
    numerics), to 0 where a long sentence lost all of the word's tokens.
    moments: one a word; of a word without weight the whole video, with score 0.
    """

    words: tuple[str, ...]
    times: np.ndarray
    weights: np.ndarray
    class_weights: np.ndarray
    moments: tuple[Moment, ...]


def align(words: Words, text: Tensor, video: Tensor, times: np.ndarray) -> Alignment:
    """text: float32 [L,D], the sentence's valid tokens. video: float32 [R,D]: class token, V windows, and padding where
    that takes part in the choice. All are normalised. times: float64 [V,2] s, what each window spans.
    """
    chosen = F.softmax(text @ video.T / TEMPERATURE, -1).double().numpy()  # [L,R]
    rows = np.zeros((len(words.words), len(video)))
    for row, places in zip(rows, words.places, strict=True):
        own = [place for place in places if place < len(text)]
        if own:
            row[:] = chosen[own].mean(0)
    weights = rows[:, 1 : 1 + len(times)]
    moments = tuple(find_moment(row, times) for row in weights)
    return Alignment(words.words, times, weights, rows[:, 0], moments)


def find_moment(weights: np.ndarray, times: np.ndarray) -> Moment:
    """The moment of weights [V] >= 0 on windows that span `times` [V,2], ascending.

    Of all runs of windows, the one with the largest sum of (weight - mean weight); its time is that of their cells.
    """
    total = weights.sum()
    if total <= 0:
        return Moment(float(times[0, 0]), float(times[-1, 1]), 0.0)
    first, last = best_run(weights - weights.mean())
    edges = cell_edges(times)
    return Moment(float(edges[first]), float(edges[last + 1]), float(weights[first : last + 1].sum() / total))


def cell_edges(times: np.ndarray) -> np.ndarray:
    """Parts of the time, one a window, that touch and do not overlap: float64 [V+1] s, their bounds.

    Windows overlap, each far longer than the way to the next. So a window's cell reaches from its middle half way to
    the middles of its neighbours; the first begins with its window and the last ends so.
    """
    middles = times.mean(1)
    return np.concatenate([times[:1, 0], (middles[1:] + middles[:-1]) / 2, times[-1:, 1]])


def best_run(values: np.ndarray) -> tuple[int, int]:
    """First and last place of the run with the largest sum, the shortest of equals (Kadane's algorithm)."""
    best, found = -np.inf, (0, 0)
    running, start = 0.0, 0
    for place, value in enumerate(values):
        if running <= 0:
            running, start = 0.0, place
        running += value
        if running > best:
            best, found = running, (start, place)
    return found
