"""Minimal pairs: how often each stream tells two sentences apart that differ in one thing, such as the mouth.

Of a pair (a, b) four comparisons are made. Text to video: the sentence a scores higher with a video of a than with any
of b, and the same for b. Video to text: a video of a scores higher with a than with b, and the same for b. A tie counts
a half. Told apart is the mean over both sentences and both directions, in percent; guessing gives 50.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from seds.retrieval.metrics import rounded

FACE = ("brows", "eyes", "mouth")  # contrasts in joints that the pose stream does not read
ALL_OF_FACE = "face"  # these together


@dataclass(frozen=True)
class Pair:
    contrast: str
    sentences: tuple[int, int]  # columns of a similarity matrix


def find_pairs(videos: pd.DataFrame, sentence_of: np.ndarray) -> list[Pair]:
    """The pairs of two sentences among videos with the columns `pair` and `contrast`, in a similarity matrix's order.

    sentence_of: int [videos].
    """
    pairs = []
    for pair, rows in videos.assign(sentence=sentence_of).groupby("pair", sort=False):
        sentences = rows["sentence"].unique()
        if pair and len(sentences) == 2:
            pairs.append(Pair(rows["contrast"].iloc[0], (int(sentences[0]), int(sentences[1]))))
    return pairs


def told_apart(
    similarities: Mapping[str, np.ndarray], sentence_of: np.ndarray, pairs: Iterable[Pair]
) -> dict[str, dict[str, float]]:
    """{contrast: {"pairs": how many, stream: percent}}; with a contrast of FACE also of all of these, ALL_OF_FACE.

    similarities: {stream: [videos, sentences]}. sentence_of: int [videos].
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(pair.contrast, []).append(pair)
    face = [pair for contrast in FACE for pair in groups.get(contrast, ())]
    if face:
        groups[ALL_OF_FACE] = face
    return {
        contrast: {"pairs": len(members)}
        | rounded(
            {
                stream: 100 * float(np.mean([_share(scores, sentence_of, pair) for pair in members]))
                for stream, scores in similarities.items()
            }
        )
        for contrast, members in groups.items()
    }


def over_seeds(measured: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, Any]:
    """{"mean": {contrast: {stream: percent}}, "std": the same} of what told_apart gives of several models."""
    result: dict[str, Any] = {"mean": {}, "std": {}}
    for contrast, values in measured[0].items():
        streams = [name for name in values if name != "pairs"]
        columns = {stream: np.array([one[contrast][stream] for one in measured]) for stream in streams}
        result["mean"][contrast] = rounded({stream: float(column.mean()) for stream, column in columns.items()})
        result["std"][contrast] = rounded({stream: float(column.std(ddof=1)) for stream, column in columns.items()})
    return result


def summary(told: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line a contrast, of what told_apart gives."""
    lines = []
    for contrast, values in told.items():
        shares = ", ".join(f"{stream} {value:.1f}" for stream, value in values.items() if stream != "pairs")
        lines.append(f"{values['pairs']} pairs that differ in {contrast}, told apart (%): {shares}")
    return lines


def _share(scores: np.ndarray, sentence_of: np.ndarray, pair: Pair) -> float:
    """Of the comparisons of a pair, those that come out right; in [0,1]."""
    directions = []
    for own, other in (pair.sentences, pair.sentences[::-1]):
        mine, theirs = scores[sentence_of == own], scores[sentence_of == other]  # [videos of one, sentences]
        directions.append(_above(mine[:, own].max(), theirs[:, own].max()))
        directions.append(_above(mine[:, own], mine[:, other]))
    return float(np.mean(directions))


def _above(right: np.ndarray, wrong: np.ndarray) -> float:
    return float(np.mean((right > wrong) + 0.5 * (right == wrong)))
