"""The sentences of the demo corpus: those of training, and in dev and test minimal pairs among others.

The two sentences of a minimal pair are alike in the hands and differ in one CONTRAST: brows and eyes (a statement and
the question), the mouth (twins), or the head (a statement and its negation). Signed by one signer with one seed they
look the same but for this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from seds.demo.language import SIGNS, Form, Sentence, sentences, twin
from seds.errors import SedsError

Contrast = Literal["brows", "mouth", "head"]

_RIVAL: dict[Contrast, Form] = {"brows": "question", "head": "negation"}  # of a statement
_LEAST_SIGNS = 3  # of a pair's sentence: two signs together are too common to keep out of training


@dataclass(frozen=True)
class Group:
    """A sentence, or the two of a minimal pair and what they differ in."""

    sentences: tuple[Sentence, ...]
    contrast: Contrast | Literal[""] = ""


class LanguageError(SedsError, ValueError):
    """More sentences asked for than the grammar has; the message says how many there are."""


def draw_splits(
    counts: Mapping[str, int],
    rng: np.random.Generator,
    forms: Mapping[Form, float],
    pairs: Mapping[Contrast, float],
) -> dict[str, list[Group]]:
    """Draw the splits of a corpus; `counts` is {split: sentences}, the first split is trained on.

    Glosses that are rare so far are favoured, so that each is about as frequent as the others of its role. `forms` are
    the shares of questions and negations, over all patterns; the rest are statements. `pairs` are the shares of the
    sentences of later splits that belong to minimal pairs.

    No two sentences have the same glosses, unless they are a pair. Later splits only use glosses that the first has,
    and none of their sentences has the hands of another group; the hands of a pair do not even occur together within a
    longer sentence of the first. Raises LanguageError when the grammar has too few such sentences.
    """
    draw = _Draw(rng, forms)
    splits: dict[str, list[Group]] = {}
    for split, count in counts.items():
        draw.begin(split)
        groups: list[Group] = []
        if splits:
            for contrast, share in pairs.items():
                groups += draw.minimal_pairs(int(share * count / 2), contrast)
        splits[split] = groups + draw.singles(count - 2 * len(groups))
        if len(splits) == 1:
            draw.hold_out()
    return splits


class _Draw:
    """The statements of the grammar, and which of them are taken."""

    def __init__(self, rng: np.random.Generator, forms: Mapping[Form, float]) -> None:
        self.rng, self.forms = rng, forms
        self.pool, share = zip(*sentences(), strict=True)
        self.column = {gloss: i for i, gloss in enumerate(SIGNS)}
        uses = np.zeros((len(self.pool), len(self.column)))
        for row, sentence in enumerate(self.pool):
            uses[row, self._columns(sentence)] = 1
        self.uses = uses / uses.sum(1, keepdims=True)
        self.free = np.array(share)  # weight in the draw; 0 once taken
        self.trained: set[str] = set()  # the glosses of the first split; empty until it is drawn
        self.pairable = np.zeros(len(self.pool), bool)

    def begin(self, split: str) -> None:
        self.split = split
        self.seen = np.zeros(len(self.column))  # how often each gloss was drawn in it

    def singles(self, count: int) -> list[Group]:
        drawn: list[Sentence] = []
        while len(drawn) < count:
            drawn.append(self._draw(np.ones(len(self.pool), bool), f"{count} sentences", len(drawn)))
        return [Group((replace(one, form=form),)) for one, form in zip(drawn, self._forms(drawn), strict=True)]

    def minimal_pairs(self, count: int, contrast: Contrast) -> list[Group]:
        allowed = self.pairable
        if contrast == "mouth":
            allowed = allowed & [bool(self._twins(sentence)) for sentence in self.pool]
        result: list[Group] = []
        while len(result) < count:
            drawn = self._draw(allowed, f"{count} pairs that differ in {contrast}", len(result))
            if contrast == "mouth":
                twins = self._twins(drawn)
                place, other = twins[self.rng.integers(len(twins))]
                glosses = (*drawn.glosses[:place], other, *drawn.glosses[place + 1 :])
                self.seen[self.column[other]] += 1
                form: Form = "question" if self.rng.random() < self.forms["question"] else "statement"
                result.append(Group((replace(drawn, form=form), Sentence(glosses, form)), contrast))
            else:
                result.append(Group((drawn, replace(drawn, form=_RIVAL[contrast])), contrast))
        return result

    def hold_out(self) -> None:
        """After the first split is drawn: keep what others may not have out of further draws."""
        first = [sentence for sentence, weight in zip(self.pool, self.free, strict=True) if not weight]
        self.trained = {gloss for sentence in first for gloss in sentence.glosses}
        combinations = {sentence.hands for sentence in first}
        together = [set(hands) for hands in combinations]
        for row, sentence in enumerate(self.pool):
            if sentence.hands in combinations or not self.trained.issuperset(sentence.glosses):
                self.free[row] = 0
            apart = not any(hands.issuperset(sentence.hands) for hands in together)
            self.pairable[row] = apart and len(sentence.glosses) >= _LEAST_SIGNS

    def _draw(self, allowed: np.ndarray, asked: str, drawn: int) -> Sentence:
        """asked, drawn: what the caller wants, and how much of it it has, for the message."""
        weight = allowed * self.free * np.exp(self.uses @ (-2 * np.log1p(self.seen)))  # geometric mean, (1 + seen)^-2
        if not weight.any():
            raise LanguageError(
                f"{self.split}: {asked} asked for, but after {drawn} of them no other is left (the grammar has "
                f"{len(self.pool)} statements; splits after the first use only its glosses, and no hands of its own)"
            )
        row = int(self.rng.choice(len(self.pool), p=weight / weight.sum()))
        sentence = self.pool[row]
        self.seen[self._columns(sentence)] += 1
        self.free[row] = 0
        if self.trained:
            self.free[[other.hands == sentence.hands for other in self.pool]] = 0
        return sentence

    def _forms(self, drawn: Sequence[Sentence]) -> list[Form]:
        """A form for each sentence, in the wanted shares within each pattern."""
        result: list[Form] = ["statement"] * len(drawn)
        rows_of: dict[tuple[str, ...], list[int]] = {}
        for row, sentence in enumerate(drawn):
            rows_of.setdefault(sentence.roles, []).append(row)
        ends = np.cumsum(list(self.forms.values()))
        for rows in rows_of.values():
            places = (self.rng.permutation(len(rows)) + self.rng.random()) / len(rows)  # evenly over [0,1)
            for row, place in zip(rows, places, strict=True):
                result[row] = (*self.forms, "statement")[int(np.searchsorted(ends, place, side="right"))]
        return result

    def _twins(self, sentence: Sentence) -> list[tuple[int, str]]:
        """(place, the other gloss) of the signs with a twin that the first split has."""
        others = enumerate(map(twin, sentence.glosses))
        return [(place, other) for place, other in others if other in self.trained]

    def _columns(self, sentence: Sentence) -> list[int]:
        return [self.column[gloss] for gloss in sentence.glosses]
