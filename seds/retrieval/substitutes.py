"""Captions that are almost right: each with one or two words of the true one put in another's place.

Ranking the true caption among them asks for what a gallery of unlike sentences does not (SAN, ACL 2026, whose words
come from a table of signs that look alike). Here a word is replaced by one that training has in such a place, after the
same word or before the same word, so that most captions read well. Training draws them so as negatives, and evaluation
for its fine-grained test; there, on the demo corpus, glosses are exchanged instead, by others of their role, so that
every caption is a sentence of the language and what is signed is known to differ.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import numpy as np

Propose = Callable[[str, np.random.Generator], Iterator[str]]  # text -> captions like it, endlessly or until no more
_TRIES = 20  # proposals per caption wanted; a short text has few others
_EDGE = ""  # stands for the beginning and for the end of a text


def substitutes(text: str, count: int, propose: Propose, generator: np.random.Generator) -> list[str]:
    """Up to `count` different captions that are not the text."""
    found: dict[str, None] = {}
    for tried, caption in enumerate(propose(text, generator)):
        if caption != text:
            found[caption] = None
        if len(found) == count or tried >= _TRIES * count:
            break
    return list(found)


def by_words(training: Iterable[str]) -> Propose:
    """Proposals from the words of the training texts.

    A text without blanks, as of Chinese, consists of its characters.
    """
    places: dict[tuple[str, str], set[str]] = defaultdict(set)
    everything: set[str] = set()
    for text in training:
        words, _ = _words(text)
        everything.update(words)
        for left, word, right in zip([_EDGE, *words], words, [*words[1:], _EDGE], strict=False):
            places["after", left].add(word)
            places["before", right].add(word)
    choices = {place: sorted(words) for place, words in places.items()}
    vocabulary = sorted(everything)

    def propose(text: str, generator: np.random.Generator) -> Iterator[str]:
        words, blank = _words(text)
        if not words or not vocabulary:
            return
        framed = [_EDGE, *words, _EDGE]
        while True:
            changed = list(words)
            for place in generator.permutation(len(words))[: generator.integers(1, 3)]:
                sides = (("after", framed[place]), ("before", framed[place + 2]))
                near = choices.get(sides[generator.integers(2)], [])
                near = near if set(near) - {words[place]} else vocabulary
                changed[place] = near[generator.integers(len(near))]
            yield blank.join(changed)

    return propose


def _words(text: str) -> tuple[list[str], str]:
    """The words, and what stands between them."""
    words = text.split()
    return (list(text), "") if len(words) == 1 and not text.isascii() else (words, " ")
