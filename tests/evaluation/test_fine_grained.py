"""Captions that are almost right: how they are made, and how a video's own is ranked among them."""

from itertools import islice

import numpy as np
import pytest

from seds.config import FineGrained
from seds.demo.language import Sentence
from seds.evaluation import demo_captions, fine_grained
from seds.evaluation.fine_grained import draw_captions, measure
from seds.retrieval import substitutes

TRAINING = ["the dog sleeps", "the cat sleeps today", "a cat eats", "the dog runs today"]


def changed(text: str, other: str) -> int:
    return sum(a != b for a, b in zip(text.split(), other.split(), strict=True))


def test_captions_differ_in_one_or_two_words_that_fit_the_place() -> None:
    captions = draw_captions(["the dog eats today"], TRAINING, "folder", FineGrained(captions=12), 0)[0]
    assert captions[0] == "the dog eats today"
    others = captions[1:]
    assert len(set(others)) == len(others) == 12
    assert {changed(captions[0], other) for other in others} == {1, 2}
    vocabulary = {word for text in TRAINING for word in text.split()}
    assert all(set(other.split()) <= vocabulary | {"eats"} for other in others)
    assert draw_captions(["the dog eats today"], TRAINING, "folder", FineGrained(captions=12), 0)[0] == captions
    assert draw_captions(["the dog eats today"], TRAINING, "folder", FineGrained(captions=12), 1)[0] != captions


def test_a_word_comes_from_its_neighbours_place() -> None:
    propose = substitutes.by_words(["x a y", "x b y", "c"])
    found = set(islice(propose("x a y", np.random.default_rng(0)), 200))
    assert "x b y" in found
    assert not {text for text in found if text.split()[1] == "c"}, "c stands between other words"


def test_characters_are_exchanged_where_there_are_no_blanks() -> None:
    captions = draw_captions(["我爱猫"], ["我爱狗", "你爱猫", "他有猫"], "csl_daily", FineGrained(captions=5), 0)[0]
    assert len(captions) == 6
    assert all(len(other) == 3 for other in captions)


def test_sentences_without_others_or_beyond_the_limit_are_not_asked() -> None:
    assert draw_captions(["word"], ["word"], "folder", FineGrained(), 0) == {}
    assert draw_captions(TRAINING, TRAINING, "folder", FineGrained(captions=0), 0) == {}
    assert list(draw_captions(TRAINING, TRAINING, "folder", FineGrained(sentences=2), 0)) == [0, 3]


def test_demo_captions_are_sentences_of_its_language() -> None:
    spoken = Sentence(("SUMMER", "DOG", "BROTHER", "FIND"), "question")
    captions = draw_captions([spoken.text], [], "demo", FineGrained(captions=40), 0)[0]
    assert len(captions) == 41
    others = [demo_captions.parse(text) for text in captions[1:]]
    assert [other.form for other in others[:2] if other] == ["statement", "negation"]
    assert [other.glosses for other in others[2:6] if other] == [
        ("WINTER", "DOG", "BROTHER", "FIND"), ("SUMMER", "CAT", "BROTHER", "FIND"),
        ("SUMMER", "DOG", "SISTER", "FIND"), ("SUMMER", "DOG", "BROTHER", "LOSE"),
    ]  # fmt: skip
    for other in others:
        assert other is not None
        assert other.roles == spoken.roles
        signs = sum(a != b for a, b in zip(other.glosses, spoken.glosses, strict=True))
        assert signs + (other.form != spoken.form) in (1, 2)
    assert demo_captions.parse("A sentence of no grammar.") is None


def test_own_caption_is_ranked_among_the_others() -> None:
    rows = [np.array([3.0, 1, 2]), np.array([1.0, 2, 0]), np.array([1.0, 1, 0]), np.array([2.0, 1])]
    found = measure({"pose": rows})
    assert (found["videos"], found["captions"]) == (4, 2.75)
    assert found["chance"] == pytest.approx(100 * (1 + 0.5) / 4, abs=1e-3)
    assert found["R@1"]["pose"] == 50, "a tie is no first rank"
    assert found["MRR"]["pose"] == pytest.approx((1 + 1 / 2 + 1 / 2 + 1) / 4, abs=1e-3)
    assert "chance 37.5" in fine_grained.summary(found)[0]
    assert fine_grained.summary({}) == []
