"""The words of a sentence, and which of the model's tokens belong to each.

A tokeniser splits words into pieces, and drops some of those of a long text (SPEC 2). Here they are joined again into
words; punctuation that stands alone belongs to the word before it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from seds.text import kept_tokens


@dataclass(frozen=True)
class Words:
    """words: cleaned, as the tokeniser reads them. positions: of the tokens of each word, in the input.

    A word has no position if all its tokens were dropped.
    """

    words: tuple[str, ...]
    positions: tuple[tuple[int, ...], ...]


def joined(parts: Iterable[tuple[str, int]], max_words: int, start: int = 1) -> Words:
    """Of a text whose parts, in their order, have so many tokens each. start: how many tokens come before the first."""
    parts = list(parts)
    remaining = kept_tokens(start + sum(count for _, count in parts), max_words)
    position_of = {int(token): position for position, token in enumerate(remaining)}
    words: list[str] = []
    positions: list[list[int]] = []
    token = start
    for word, count in parts:
        word_positions = [position_of[t] for t in range(token, token + count) if t in position_of]
        token += count
        if words and not any(letter.isalnum() for letter in word):
            words[-1] += word
            positions[-1] += word_positions
        else:
            words.append(word)
            positions.append(word_positions)
    return Words(tuple(words), tuple(map(tuple, positions)))


def has_unspaced_letter(part: str) -> bool:
    """Whether it has a letter of a script without case, such as Chinese or Thai, most of which put no blanks between
    words.
    """
    return any(unicodedata.category(c) == "Lo" for c in part)
