"""Which languages a model reads, and whether a query is outside them: there its results are noise.

A model reads the languages of the texts that it was trained on. A query is taken to be outside them if most of its
letters are of scripts that these texts have not, or most of its words hold pieces that it cannot know: pieces in none
of the texts, for text towers that started from random weights; for those that started from CLIP's, words that CLIP's
vocabulary, made of English, has only in fragments, and likewise for the multilingual vocabulary of the text side `use`.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from seds.data import use_text
from seds.data.tokens import ClipTokeniser, Tokeniser
from seds.search.language_names import language_names

_USE_SCRIPTS = frozenset({"Latin", "Cyrillic", "Arabic", "Thai", "Hangul", "Chinese or Japanese"})
_FRAGMENTS = 3  # pieces of a word of a language that the vocabulary was not made of
_HAN = ("CJK", "HIRAGANA", "KATAKANA")  # written together


@dataclass(frozen=True)
class Reading:
    """languages: ISO 639-1, commonest first. scripts: those of its texts. is_known: whether a word of such pieces can
    be known.
    """

    languages: tuple[str, ...]
    scripts: frozenset[str]
    tokeniser: Tokeniser
    is_known: Callable[[Sequence[int]], bool]

    def warning(self, text: str) -> str:
        """Why the results of a query mean little; "" if nothing speaks against them."""
        letters = Counter(script(c) for c in text if c.isalpha())
        unread = Counter({written: count for written, count in letters.items() if written not in self.scripts})
        if 2 * unread.total() > letters.total():
            written = unread.most_common(1)[0][0]
            return (
                f"{self._reads()}. Most of this query is in {written} letters, which it has never seen: expect noise."
            )
        words = [pieces for word, pieces in self.tokeniser.word_pieces(text) if any(c.isalpha() for c in word)]
        unknown = sum(not self.is_known(pieces) for pieces in words)
        if 2 * unknown > len(words):
            return f"{self._reads()}. It does not know {unknown} of the {len(words)} words of this query: expect noise."
        return ""

    def _reads(self) -> str:
        return f"The model reads {language_names(self.languages)}"


def reading(texts: Iterable[str], languages: Iterable[str], pretrained: bool) -> Reading:
    """What a model reads that was trained on texts like these. languages: of videos, ISO 639-1.

    pretrained: its text tower started from CLIP's weights.
    """
    words = {word for text in texts for word in text.split()}
    scripts = frozenset(script(c) for c in set().union(*words) if c.isalpha())
    codes = tuple(code for code, _ in Counter(filter(None, languages)).most_common())
    tokeniser = ClipTokeniser()
    if pretrained:
        return Reading(codes, scripts, tokeniser, lambda pieces: len(pieces) < _FRAGMENTS)
    vocabulary = {piece for word in words for _, pieces in tokeniser.word_pieces(word) for piece in pieces}
    return Reading(codes, scripts, tokeniser, vocabulary.issuperset)


def multilingual() -> Reading:
    """What the text side `use` reads."""
    return Reading(
        use_text.LANGUAGES, _USE_SCRIPTS, use_text.UseTokeniser(), partial(use_text.is_known, fragments=_FRAGMENTS)
    )


def script(letter: str) -> str:
    """The script of a letter, by its name in Unicode: Latin, Cyrillic, Arabic, Hangul, and one for Han and kana."""
    plain = unicodedata.normalize("NFKC", letter)[:1]  # half and full width are named so
    first = unicodedata.name(plain, "unknown").split()[0]
    return "Chinese or Japanese" if first in _HAN else first.capitalize()
