"""Words against the tokeniser that split them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seds.data.tokens import ClipTokeniser
from seds.data.words import Words
from seds.text import _tokenizer, count_tokens, token_counts, tokenise


def split_words(text: str, max_words: int = 32) -> Words:
    return ClipTokeniser().words(text, max_words)


def decoded(text: str, max_words: int = 32) -> list[tuple[str, str]]:
    """Each word with what its tokens decode to."""
    (ids,) = tokenise([text], max_words)
    words = split_words(text, max_words)
    return [
        (word, _tokenizer().decode(ids[list(positions)].tolist()))
        for word, positions in zip(words.words, words.positions, strict=True)
    ]


def test_byte_pairs_are_joined_to_words() -> None:
    assert len(split_words("Unbelievably, hippopotamuses!").positions[1]) > 1
    assert decoded("Unbelievably, it's  3pm") == [
        ("unbelievably,", "unbelievably , "),
        ("it's", "it 's "),
        ("3pm", "3 pm "),
    ]


def test_lone_punctuation_joins_the_word_before_it() -> None:
    assert decoded("hello , world .") == [("hello,", "hello , "), ("world.", "world . ")]
    assert split_words("- hello").words == ("-", "hello")
    assert split_words("...").words == ("...",)


def test_a_long_text_keeps_the_tokens_that_the_model_reads() -> None:
    text = " ".join(f"word{i}" for i in range(60))
    pairs = decoded(text)
    assert len(pairs) == 60
    for word, kept in pairs:
        assert kept.replace(" ", "") in ("", word) or word.startswith("word")
    kept_positions = [position for positions in split_words(text).positions for position in positions]
    assert kept_positions == list(range(1, 31)), "start and end token belong to no word"
    (ids,) = tokenise([text])
    whole = _tokenizer().encode(text)
    owners = [i for i, (_, count) in enumerate(token_counts(text)) for _ in range(count)]
    word_of = {position: word for word, positions in enumerate(split_words(text).positions) for position in positions}
    kept = np.linspace(1, len(whole), 30).astype(int) - 1  # SPEC 2
    assert [word_of[position] for position in range(1, 31)] == [owners[i] for i in kept]
    assert ids[1:31].tolist() == [whole[i] for i in kept]


@pytest.mark.parametrize("text", ["你好 世界", "ünïcödé &amp;amp; <b>", "a\x00b\x1cc", "<end_of_text> after", "\u3000"])
def test_odd_texts_lose_no_token(text: str) -> None:
    assert sum(count for _, count in token_counts(text)) == count_tokens(text) - 2


@given(st.text(max_size=60))
def test_every_token_belongs_to_one_word(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert sum(count for _, count in token_counts(text)) == count_tokens(text) - 2
    kept = [position for positions in split_words(text).positions for position in positions]
    assert kept == list(range(1, 1 + min(30, count_tokens(text) - 2)))
