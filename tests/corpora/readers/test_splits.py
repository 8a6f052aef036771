"""The lot: what stays together, and what stays put."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seds.corpora.readers.splits import assign, normalised


def split(videos):
    """videos: (sentence_id, text, signer)."""
    return assign(*zip(*videos, strict=True))


def numbered(count, signers=lambda i: ""):
    return [(f"s{i}", f"sentence {i}", signers(i)) for i in range(count)]


@pytest.mark.parametrize("count", range(4, 40))
def test_few_sentences_fill_every_split(count):
    splits, rule = split(numbered(count))
    least = 2 if count >= 6 else 1
    assert rule == "sentence"
    assert splits.count("test") >= least
    assert splits.count("dev") >= least
    assert splits.count("train") >= max(2, count / 3)


@pytest.mark.parametrize("count", range(4, 12))
def test_train_has_two_sentences_whatever_their_hashes(count):
    for start in range(0, 3000, 10):
        splits, _ = split([(f"s{i}", f"sentence {i}", "") for i in range(start, start + count)])
        assert splits.count("train") >= 2
        assert splits.count("dev") >= 1
        assert splits.count("test") >= 1


@pytest.mark.parametrize("count", [1, 2, 3])
def test_sentences_too_few_for_three_splits_are_trained_on(count):
    assert split(numbered(count))[0].count("train") >= min(count, 2)


def test_a_large_corpus_has_a_tenth_each():
    splits, _ = split(numbered(20_000))
    assert 1900 < splits.count("test") < 2100
    assert 1900 < splits.count("dev") < 2100


rows = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"),
        st.sampled_from(("Rain.", "rain", "Snow!", "Sun", "")),
        st.sampled_from(("", "x", "y")),
    ),
    min_size=1,
    max_size=30,
)


@pytest.mark.slow
@given(rows)
def test_a_sentence_and_a_text_are_in_one_split(videos):
    places = defaultdict(set)
    for (sentence, text, _), place in zip(videos, split(videos)[0], strict=True):
        places["id", sentence].add(place)
        if normalised(text):
            places["text", normalised(text)].add(place)
    assert all(len(place) == 1 for place in places.values())


@given(rows, st.randoms())
def test_the_order_of_the_rows_does_not_matter(videos, generator):
    order = list(range(len(videos)))
    generator.shuffle(order)
    straight, rule = split(videos)
    shuffled, same_rule = split([videos[i] for i in order])
    assert shuffled == [straight[i] for i in order]
    assert rule == same_rule


def test_rows_added_later_move_none_that_were_there():
    before, _ = split(numbered(300))
    after, _ = split(numbered(3000))
    assert after[:300] == before


def test_signers_are_kept_apart_where_they_are_enough():
    videos = numbered(600, lambda i: f"signer {i % 30}")
    splits, rule = split(videos)
    assert rule == "sentence and signer"
    signers = defaultdict(set)
    for (_, _, signer), place in zip(videos, splits, strict=True):
        signers[signer].add(place)
    assert all(len(places) == 1 for places in signers.values())
    assert set(splits) == {"train", "dev", "test"}
    assert split(videos[:300])[0] == splits[:300]  # of known signers more sentences


@pytest.mark.parametrize("signers", [lambda i: "one", lambda i: f"{i % 2}"])
def test_too_few_signers_are_split_by_sentence(signers):
    splits, rule = split(numbered(60, signers))
    assert rule == "sentence"
    assert splits == split(numbered(60))[0]


def test_signers_of_the_same_sentences_are_split_by_sentence():
    videos = [(f"s{i}", f"sentence {i}", signer) for i in range(50) for signer in "abcde"]
    assert split(videos)[1] == "sentence"


def test_the_lot_is_the_same_on_every_machine():
    expected = "test dev train train train train dev train train test"
    assert split(numbered(10))[0] == expected.split()


def test_normalised_texts():
    assert normalised("  Rain\tFALLS, today! ") == "rain falls today"
    assert normalised("\uff32\uff41\uff49\uff4e") == "rain"
    assert normalised("...") == "..."
    assert normalised("e\u0301") == normalised("\u00e9")
