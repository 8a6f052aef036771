"""Videos that sign like another one, by the tokens of the video side alone.

Each token of the video searched with picks the tokens of the other softly, and the score is the mean of their cosines:
the model's fine-grained similarity in the one direction. The other direction would count against a video all that the
first one does not show, and so would not find a sign in a sentence. Measured on the demo's dev split by
benchmarks/alike.py: docs/results.md.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from seds.data.words import Words

MIX: Final = 0.0  # share of the score that is from the stored video to the one searched with, see ranking.scores
_PIECE_S, _PIECES = 0.4, 10  # a piece is about as long as a sign; a long video has no more than so many


def pieces(times: np.ndarray, duration_s: float) -> Words:
    """A video in equal pieces of time, as the words of a sentence: with the places of their tokens, from 1 on.

    times: float64 [V,2] s, of its windows; each belongs to the piece in which its middle lies. A piece without a
    window, in which no hand is seen, is left out.
    """
    count = max(1, min(_PIECES, round(duration_s / _PIECE_S)))
    edges = np.linspace(0, duration_s, count + 1)
    piece = np.clip(np.searchsorted(edges, times.mean(1), "right") - 1, 0, count - 1)
    found = {i: tuple(int(place) + 1 for place in np.flatnonzero(piece == i)) for i in range(count)}
    found = {i: places for i, places in found.items() if places}
    return Words(tuple(f"{edges[i]:.1f}-{edges[i + 1]:.1f} s" for i in found), tuple(found.values()))
