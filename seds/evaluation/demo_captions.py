"""Sentences of the demo corpus's language that are almost another one: by a sign, by two, by the face or the head."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import product
from typing import get_args

import numpy as np

from seds.demo.language import LEXICON, SIGNS, Form, Sentence, sentences, twin
from seds.evaluation.demo_translations import LANGUAGES, translate

FORMS: tuple[Form, ...] = get_args(Form)


def parse(text: str) -> Sentence | None:
    """The sentence that a text is; None for a text that the grammar does not yield."""
    return _by_text().get(text)


def translations(texts: Sequence[str]) -> dict[str, list[str]]:
    """{language: the texts put into it}; nothing unless all are sentences of the grammar."""
    spoken = [sentence for text in texts if (sentence := parse(text)) is not None]
    if len(spoken) < len(texts):
        return {}
    return {language: [translate(sentence, language) for sentence in spoken] for language in LANGUAGES}


@cache
def _by_text() -> dict[str, Sentence]:
    spoken = (replace(sentence, form=form) for (sentence, _), form in product(sentences(), FORMS))
    return {sentence.text: sentence for sentence in spoken}


def near(sentence: Sentence, generator: np.random.Generator) -> Iterator[Sentence]:
    """Sentences like it, without end.

    First those that minimal pairs are made of, the other forms and the twins of its signs; then such as have one or two
    other glosses of the same roles, at random.
    """
    yield from (replace(sentence, form=form) for form in FORMS if form != sentence.form)
    for place, gloss in enumerate(sentence.glosses):
        if other := twin(gloss):
            yield _with(sentence, {place: other})
    roles = {role: [sign.gloss for sign in LEXICON if sign.role == role] for role in sentence.roles}
    while True:
        places = generator.permutation(len(sentence.glosses))[: generator.integers(1, 3)]
        choices = {place: roles[SIGNS[sentence.glosses[place]].role] for place in places.tolist()}
        yield _with(sentence, {place: glosses[generator.integers(len(glosses))] for place, glosses in choices.items()})


def _with(sentence: Sentence, glosses: dict[int, str]) -> Sentence:
    return replace(sentence, glosses=tuple(glosses.get(i, gloss) for i, gloss in enumerate(sentence.glosses)))
