"""The lexicon, the grammar and the splits."""

import numpy as np
import pytest

from seds.demo import hand, motion
from seds.demo.language import LEXICON, SIGNS, LanguageError, Pose, draw_splits, english, sentences


def test_lexicon_is_large_consistent_and_its_signs_differ():
    assert len(SIGNS) == len(LEXICON) >= 24
    for sign in LEXICON:
        poses = [pose for pose in (sign.start, sign.end, sign.other) if isinstance(pose, Pose)]
        assert {pose.shape for pose in poses} <= set(hand.SHAPES)
        assert sign.move in motion.MOVES
    assert len({sign.english for sign in LEXICON}) == len(LEXICON)
    assert len({(sign.start, sign.end, sign.move, sign.other) for sign in LEXICON}) == len(LEXICON)


@pytest.mark.parametrize(
    ("glosses", "text"),
    [
        ("SUNDAY BOOK TEACHER BUY", "The teacher buys a book on Sunday."),
        ("CAR OLD MOTHER WANT", "My mother wants an old car."),
        ("TODAY TREE BIG", "The tree is big today."),
        ("CHILD SLEEP", "The child sleeps."),
    ],
)
def test_english_of_glosses(glosses, text):
    assert english([SIGNS[gloss] for gloss in glosses.split()]) == text


def test_every_sentence_of_the_grammar_has_its_own_text_and_two_to_four_signs():
    every = [sentence for sentence, _ in sentences()]
    assert len({sentence.text for sentence in every}) == len({sentence.glosses for sentence in every}) == len(every)
    assert {len(sentence.glosses) for sentence in every} == {2, 3, 4}


@pytest.mark.parametrize("counts", [(300, 40, 60), (8, 3, 4)])
def test_splits_are_disjoint_and_later_ones_use_glosses_of_the_first(counts):
    splits = draw_splits(dict(zip(("train", "dev", "test"), counts, strict=True)), np.random.default_rng(0))
    assert tuple(len(split) for split in splits.values()) == counts
    everything = [sentence for split in splits.values() for sentence in split]
    assert len(set(everything)) == len(everything)
    seen = {gloss for sentence in splits["train"] for gloss in sentence.glosses}
    for later in ("dev", "test"):
        assert {gloss for sentence in splits[later] for gloss in sentence.glosses} <= seen


def test_training_uses_every_gloss_often():
    train = draw_splits({"train": 300}, np.random.default_rng(1))["train"]
    uses = [sum(gloss in sentence.glosses for sentence in train) for gloss in SIGNS]
    assert min(uses) >= 15


def test_more_sentences_than_the_grammar_has_is_an_error_that_says_so():
    with pytest.raises(LanguageError, match="the grammar has 2376"):
        draw_splits({"train": 2377}, np.random.default_rng(0))
    with pytest.raises(LanguageError, match="dev: 40 sentences asked for"):
        draw_splits({"train": 1, "dev": 40}, np.random.default_rng(0))
