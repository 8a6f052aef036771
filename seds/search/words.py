"""The words of a sentence, and which of the model's tokens each became.

The tokeniser splits words into byte pairs, and of a long text some of these are left out (SPEC 2). For a reader they
are joined again into what white space parts; punctuation that stands alone goes with the word before it.
"""

from __future__ import annotations

from dataclasses import dataclass

from seds.text import kept_tokens, token_counts


@dataclass(frozen=True)
class Words:
    """words: lower-cased and cleaned, as the tokeniser reads them. places: of each, its tokens' places in the model.

    Place 0 is the start token. A word whose tokens were all left out has no place.
    """

    words: tuple[str, ...]
    places: tuple[tuple[int, ...], ...]


def split_words(text: str, max_words: int = 32) -> Words:
    """Words of a text, with places among the tokens of `seds.text.tokenise([text], max_words)`."""
    counts = token_counts(text)
    kept = kept_tokens(1 + sum(count for _, count in counts), max_words)
    place_of = {int(token): place for place, token in enumerate(kept)}
    words: list[str] = []
    places: list[list[int]] = []
    token = 1
    for word, count in counts:
        own = [place_of[t] for t in range(token, token + count) if t in place_of]
        token += count
        if words and not any(letter.isalnum() for letter in word):
            words[-1] += word
            places[-1] += own
        else:
            words.append(word)
            places.append(own)
    return Words(tuple(words), tuple(map(tuple, places)))
