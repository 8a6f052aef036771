"""Metrics without leaks, against picking sentences by hand."""

import numpy as np
import pytest

from seds.retrieval import leaks
from seds.retrieval.leaks import merge_texts, normalise, without_leaks
from seds.retrieval.metrics import summarise
from seds.retrieval.ranks import evaluate, ranks

TEXTS = ["A dog.", "a  DOG", "A dog?", "Two cats!", "Rain"]
SENTENCE_OF = np.array([0, 1, 1, 2, 3, 4])


def test_texts_are_equal_by_their_words_and_the_question_mark() -> None:
    assert normalise(" Don’t  STOP, now… ") == normalise("don't stop now")
    assert normalise("Ｇｕｔ!") == "gut"
    assert normalise("Straße") == normalise("STRASSE")
    assert normalise("今天？") == normalise("今天?") != normalise("今天。")


def test_equal_texts_become_one_sentence() -> None:
    first, merged_of = merge_texts(TEXTS, SENTENCE_OF)
    assert first.tolist() == [0, 2, 3, 4]
    assert merged_of.tolist() == [0, 0, 0, 1, 2, 3]


def test_leaks_are_left_out_of_queries_but_not_of_candidates() -> None:
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(6, 5))
    scores[:, 1] = scores[:, 0]  # the same text
    found = without_leaks({"pose": scores}, TEXTS, SENTENCE_OF, ["A DOG!", "two cats", "sun"])
    assert (found["texts"], found["in_train"]) == (4, 2)
    columns, right = scores[:, [0, 2, 3, 4]], np.array([0, 0, 0, 1, 2, 3])
    v2t = ranks(columns, right)
    t2v = ranks(np.stack([columns[:3].max(0), *columns[3:]], axis=1), np.arange(4))
    for part, sentences, videos in (("equal_as_one", [0, 1, 2, 3], range(6)), ("not_in_train", [1, 3], [3, 5])):
        for direction, rank, kept in (("t2v", t2v, sentences), ("v2t", v2t, list(videos))):
            values = found[part]["pose"][direction]
            assert values.pop("queries") == len(kept)
            assert values == pytest.approx(summarise(rank[kept]), abs=1e-3)


def test_without_leaks_the_metrics_are_the_usual_ones() -> None:
    scores = {"pose": np.random.default_rng(1).normal(size=(3, 3))}
    usual, _ = evaluate(scores, np.arange(3))
    found = without_leaks(scores, ["a", "b", "c"], np.arange(3), ["d"])
    for part in ("equal_as_one", "not_in_train"):
        for direction, values in usual["pose"].items():
            assert found[part]["pose"][direction] == {"queries": 3} | values
    assert leaks.summary(found)[1].startswith("3 of them that training does not have: pose R@1 T2V ")


def test_nothing_is_left_where_training_has_every_text() -> None:
    found = without_leaks({"pose": np.eye(2)}, ["a", "b"], np.arange(2), ["A", "B"])
    assert found["not_in_train"] == {}
    assert leaks.summary(found)[-1] == "training has all of them"
