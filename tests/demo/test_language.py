"""The lexicon and the grammar."""

import pytest

from seds.demo import hand, motion
from seds.demo.language import LEXICON, SIGNS, TWINS, Pose, Sentence, english, sentences, twin


def test_lexicon_is_large_consistent_and_its_signs_differ():
    assert len(SIGNS) == len(LEXICON) >= 24
    for sign in LEXICON:
        poses = [pose for pose in (sign.start, sign.end, sign.other) if isinstance(pose, Pose)]
        assert {pose.shape for pose in poses} <= set(hand.SHAPES)
        assert sign.move in motion.MOVES
    assert len({sign.english for sign in LEXICON}) == len(LEXICON)
    hands = {(sign.start, sign.end, sign.move, sign.other) for sign in LEXICON}
    assert len(hands) == len(LEXICON) - len(TWINS)
    assert len({(sign.start, sign.end, sign.move, sign.other, sign.mouth) for sign in LEXICON}) == len(LEXICON)


def test_twins_are_alike_in_the_hands_and_have_two_mouths():
    assert len(TWINS) >= 4
    for gloss in TWINS:
        one, other = SIGNS[gloss], SIGNS[twin(gloss)]
        assert twin(other.gloss) == gloss
        assert (one.start, one.end, one.move, one.other, one.role) == (
            other.start, other.end, other.move, other.other, other.role
        )  # fmt: skip
        assert None not in (one.mouth, other.mouth)
        assert one.mouth != other.mouth
        assert Sentence(("BOOK", gloss)).hands == Sentence(("BOOK", other.gloss)).hands
    assert twin("BOOK") is None


@pytest.mark.parametrize(
    ("glosses", "statement", "question", "negation"),
    [
        (
            "SUNDAY BOOK TEACHER BUY",
            "The teacher buys a book on Sunday.",
            "Does the teacher buy a book on Sunday?",
            "The teacher does not buy a book on Sunday.",
        ),
        (
            "CAR OLD MOTHER WANT",
            "My mother wants an old car.",
            "Does my mother want an old car?",
            "My mother does not want an old car.",
        ),
        (
            "TODAY TREE BIG",
            "The tree is big today.",
            "Is the tree big today?",
            "The tree is not big today.",
        ),
        (
            "CHILD SLEEP",
            "The child sleeps.",
            "Does the child sleep?",
            "The child does not sleep.",
        ),
    ],
)
def test_english_of_glosses(glosses, statement, question, negation):
    signs = [SIGNS[gloss] for gloss in glosses.split()]
    assert english(signs) == statement
    assert english(signs, "question") == question
    assert english(signs, "negation") == negation


def test_sentences_have_texts_of_their_own_and_two_to_four_signs():
    every = [sentence for sentence, _ in sentences()]
    assert len({sentence.glosses for sentence in every}) == len(every)
    texts = {Sentence(s.glosses, form).text for s in every for form in ("statement", "question", "negation")}
    assert len(texts) == 3 * len(every)
    assert {len(sentence.glosses) for sentence in every} == {2, 3, 4}
