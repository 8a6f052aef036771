"""Texts as the ids that a model's text side reads: of CLIP's byte pairs, or of another tokeniser's pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from seds import text
from seds.config import ModelSizes
from seds.data.use_text import UseTokeniser
from seds.data.words import Words, joined

_LONGEST = 77  # byte pairs of a word that are looked at


class Tokeniser(Protocol):
    """How a text side splits texts into tokens; all that counts, cuts or joins tokens asks it."""

    def tokenise(self, texts: Sequence[str], max_words: int) -> np.ndarray:
        """int64 [len(texts), max_words]: the tokens of a text, its end, zeros. The end has the largest id.

        Of a longer text the first token and evenly spaced others are kept.
        """
        ...

    def count(self, text: str) -> int:
        """How many tokens a text has, its end included, before any is left out."""
        ...

    def word_pieces(self, text: str) -> list[tuple[str, Sequence[int]]]:
        """The words of a text, split at white space, and the pieces of each."""
        ...

    def words(self, text: str, max_words: int) -> Words:
        """The words of a text, with positions among the tokens that the text tower makes of it."""
        ...


class ClipTokeniser:
    """CLIP's byte pairs (seds.text), after a start token."""

    def tokenise(self, texts: Sequence[str], max_words: int) -> np.ndarray:
        return text.tokenise(texts, max_words)

    def count(self, sentence: str) -> int:
        return text.count_tokens(sentence)

    def word_pieces(self, sentence: str) -> list[tuple[str, Sequence[int]]]:
        words = sentence.split()
        ids = text.tokenise(words, _LONGEST).tolist() if words else []
        return [(word, row[1 : row.index(max(row))]) for word, row in zip(words, ids, strict=True)]

    def words(self, sentence: str, max_words: int) -> Words:
        return joined(text.token_counts(sentence), max_words)


def tokeniser(sizes: ModelSizes) -> Tokeniser:
    """The tokeniser of a model's text side."""
    return UseTokeniser() if sizes.text == "use" else ClipTokeniser()


def tokenise(texts: Sequence[str], sizes: ModelSizes) -> np.ndarray:
    """As Tokeniser.tokenise, for a model of these sizes: int64 [len(texts), max_words]. Raises UseError."""
    return tokeniser(sizes).tokenise(texts, sizes.max_words)
