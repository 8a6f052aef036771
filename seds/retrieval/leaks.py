"""Retrieval without what training gives away: sentences whose text was trained on, and texts that stand there twice.

Of PHOENIX-2014T's 642 test sentences 33 have the text of a training sentence, of How2Sign's 2,348 videos 71; and where
two test sentences have one text, no system can tell which of them is meant.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from seds.retrieval import ranks
from seds.retrieval.metrics import rounded, summarise

_NO_WORD = re.compile(r"[^\w?]+|_")


def normalise(text: str) -> str:
    """The words of a text, by which texts count as equal: case, punctuation and forms of characters make none.

    A question mark does, since the same words sign differently as a question.
    """
    return " ".join(_NO_WORD.sub(" ", unicodedata.normalize("NFKC", text).casefold()).split())


def merge_texts(texts: Sequence[str], sentence_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sentences of equal text made one: the first sentence of each text, and the place of each video's among these.

    texts: of each sentence. sentence_of: int [videos]. Both int64.
    """
    place: dict[str, int] = {}
    first: list[int] = []
    place_of = np.empty(len(texts), np.int64)
    for sentence, text in enumerate(map(normalise, texts)):
        if text not in place:
            place[text] = len(first)
            first.append(sentence)
        place_of[sentence] = place[text]
    return np.array(first), place_of[sentence_of]


def without_leaks(
    similarities: Mapping[str, np.ndarray], texts: Sequence[str], sentence_of: np.ndarray, trained: Iterable[str]
) -> dict[str, Any]:
    """Metrics with equal texts as one sentence, of all and of those that training has not seen.

    similarities: {stream: [videos, sentences]}. texts: of each sentence. trained: the texts of training. Returns

        texts, in_train: how many different texts there are, and how many of them training has.
        equal_as_one: {stream: {direction: METRICS and the number of queries}}, equal texts counted as one sentence.
        not_in_train: the same of the queries whose text training does not have, among all candidates; empty if all do.
    """
    first, merged_of = merge_texts(texts, sentence_of)
    seen = set(map(normalise, trained))
    unseen = np.array([normalise(texts[sentence]) not in seen for sentence in first])
    kept = {"t2v": np.flatnonzero(unseen), "v2t": np.flatnonzero(unseen[merged_of])}
    merged, rest = {}, {}
    for stream, matrix in similarities.items():
        both = ranks.rank_both(matrix[:, first], merged_of)
        merged[stream] = {direction: _figures(ranking.rank) for direction, ranking in both.items()}
        if unseen.any():
            rest[stream] = {direction: _figures(both[direction].rank[kept[direction]]) for direction in both}
    return {
        "texts": len(first),
        "in_train": int((~unseen).sum()),
        "equal_as_one": merged,
        "not_in_train": rest,
    }


def summary(found: Mapping[str, Any]) -> list[str]:
    """Lines of what `without_leaks` gives: R@1 of the main stream."""

    def recalls(streams: Mapping[str, Any]) -> str:
        main, both = next(iter(streams.items()))
        return f"{main} R@1 " + ", ".join(f"{name.upper()} {values['R@1']:.1f}" for name, values in both.items())

    lines = [f"{found['texts']:,} different texts, equal ones as one sentence: {recalls(found['equal_as_one'])}"]
    if found["not_in_train"]:
        rest = found["texts"] - found["in_train"]
        lines.append(f"{rest:,} of them that training does not have: {recalls(found['not_in_train'])}")
    else:
        lines.append("training has all of them")
    return lines


def _figures(rank: np.ndarray) -> dict[str, float]:
    return {"queries": len(rank)} | rounded(summarise(rank))
