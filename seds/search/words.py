"""The words of a sentence, and which of the model's tokens belong to each.

The tokeniser splits words into byte pairs, and drops some of those of a long text (SPEC 2). Here they are joined again
into words separated by white space; punctuation that stands alone belongs to the word before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from seds.config import ModelSizes
from seds.data import use_text
from seds.text import kept_tokens, token_counts


@dataclass(frozen=True)
class Words:
    """words: lower-cased and cleaned, as the tokeniser reads them. positions: of the tokens of each word, in the input.

    Position 0 is the start token. A word has none if all its tokens were dropped.
    """

    words: tuple[str, ...]
    positions: tuple[tuple[int, ...], ...]


def words_of(text: str, sizes: ModelSizes) -> Words:
    """The words of a text, with positions among the tokens that a model of these sizes makes of it."""
    if sizes.text == "use":
        _, units = use_text.units(use_text.tokenise([text], sizes.max_words)[0].tolist())
        return Words(tuple(units), tuple((i,) for i in range(1, len(units) + 1)))
    return split_words(text, sizes.max_words)


def split_words(text: str, max_words: int = 32) -> Words:
    """The words of a text, with positions among the tokens of `seds.text.tokenise([text], max_words)`."""
    counts = token_counts(text)
    remaining = kept_tokens(1 + sum(count for _, count in counts), max_words)
    position_of = {int(token): position for position, token in enumerate(remaining)}
    words: list[str] = []
    positions: list[list[int]] = []
    token = 1
    for word, count in counts:
        word_positions = [position_of[t] for t in range(token, token + count) if t in position_of]
        token += count
        if words and not any(letter.isalnum() for letter in word):
            words[-1] += word
            positions[-1] += word_positions
        else:
            words.append(word)
            positions.append(word_positions)
    return Words(tuple(words), tuple(map(tuple, positions)))
