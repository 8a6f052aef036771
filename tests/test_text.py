"""Token ids: CLIP's encoding, the selection of SPEC 2 and the word swap."""

import string

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from seds import text

START, END = 49406, 49407


def test_a_sentence():
    (ids,) = text.tokenise(["A photo of  a Cat."])
    # CLIP's own ids of "a photo of a cat."
    assert ids[:8].tolist() == [START, 320, 1125, 539, 320, 2368, 269, END]
    assert ids.shape == (32,)
    assert not ids[8:].any()


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(string.ascii_letters + string.punctuation + "  '&\t", max_size=60), st.text(max_size=20)))
def test_words_by_themselves_give_the_tokens_of_the_whole(sentence: str):
    pairs = text._tokenizer().encode(sentence)
    (ids,) = text.tokenise([sentence], max_words=len(pairs) + 4)
    assert ids.tolist() == [START, *pairs, END, 0, 0]
    assert text.count_tokens(sentence) == len(pairs) + 2


def test_an_empty_sentence_is_start_and_end():
    assert text.tokenise([""], max_words=4).tolist() == [[START, END, 0, 0]]


def test_a_long_sentence_keeps_evenly_spaced_tokens():
    assert text.kept_tokens(40).tolist() == [
        0, 1, 2, 3, 4, 6, 7, 8, 10, 11, 12, 14, 15, 16, 18, 19,
        20, 21, 23, 24, 25, 27, 28, 29, 31, 32, 33, 35, 36, 37, 39,
    ]  # fmt: skip
    letters = "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m"
    ids = text.tokenise([letters, letters[:59]])  # 39 and 30 words
    assert ids[0, 0] == START
    assert ids[0, -1] == END
    assert (np.diff(text.kept_tokens(40)) >= 1).all()
    assert ids[1, -1] == END  # 30 words with start and end just fit, none left out
    assert text.kept_tokens(31).tolist() == list(range(31))


def test_swap_exchanges_two_words():
    sentence = "one two three four"
    swapped = {text.swap_words(sentence, 1.0, np.random.default_rng(seed)) for seed in range(200)}
    assert len(swapped) == 6  # every pair, never the sentence itself
    for result in swapped:
        moved = [a != b for a, b in zip(result.split(), sentence.split(), strict=True)]
        assert sum(moved) == 2
        assert sorted(result.split()) == sorted(sentence.split())


def test_swap_happens_as_often_as_asked_and_repeats_by_seed():
    sentence = "alpha beta gamma delta"
    generator = np.random.default_rng(1)
    changed = sum(text.swap_words(sentence, 0.25, generator) != sentence for _ in range(2000))
    assert 430 < changed < 570
    assert text.swap_words(sentence, 0.0, generator) == sentence
    first, second = (text.swap_words(sentence, 1.0, np.random.default_rng(9)) for _ in range(2))
    assert first == second


def test_one_word_stays():
    assert text.swap_words("hello", 1.0, np.random.default_rng(0)) == "hello"
