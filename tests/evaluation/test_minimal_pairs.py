"""Minimal pairs told apart, by scores made by hand."""

import numpy as np
import pandas as pd
import pytest

from seds.evaluation.minimal_pairs import Pair, find_pairs, over_seeds, told_apart

# Two pairs of sentences, 0 with 1 and 2 with 3; a video each, but two of sentence 3.
SENTENCE_OF = np.array([0, 1, 2, 3, 3])
PAIRS = [Pair("mouth", (0, 1)), Pair("head", (2, 3))]


def scores() -> np.ndarray:
    """Zeros but for 1 where video and sentence belong together."""
    return (SENTENCE_OF[:, None] == np.arange(4)).astype(np.float32)


def test_pairs_are_those_of_two_sentences() -> None:
    videos = pd.DataFrame(
        {
            "pair": ["p", "p", "q", "q", "q", "", "alone"],
            "contrast": ["mouth", "mouth", "head", "head", "head", "", "mouth"],
        }
    )
    assert find_pairs(videos, np.array([0, 1, 2, 3, 3, 4, 5])) == PAIRS


def test_right_answers_wrong_answers_and_ties() -> None:
    right = scores()
    tie, wrong = np.zeros_like(right), -right
    told = told_apart({"fusion": right, "pose": tie, "rgb": wrong}, SENTENCE_OF, PAIRS)
    assert told["mouth"] == {"pairs": 1, "fusion": 100.0, "pose": 50.0, "rgb": 0.0}
    assert told["head"] == told["mouth"]


def test_a_constant_bias_towards_one_of_the_two_is_worth_nothing() -> None:
    to_sentence, to_video = scores() * 0, scores() * 0
    to_sentence[:, [0, 2]] += 1
    to_video[[0, 2]] += 1
    told = told_apart({"fusion": to_sentence, "pose": to_video}, SENTENCE_OF, PAIRS)
    assert {told[contrast][stream] for contrast in ("mouth", "head") for stream in ("fusion", "pose")} == {50.0}


def test_each_direction_counts_a_half() -> None:
    matrix = scores()
    matrix[1, 0] = 2  # video 1 prefers sentence 0, which prefers it too
    assert told_apart({"pose": matrix}, SENTENCE_OF, PAIRS)["mouth"]["pose"] == 50.0
    matrix[1, 0] = 0.5  # now nobody is wrong
    assert told_apart({"pose": matrix}, SENTENCE_OF, PAIRS)["mouth"]["pose"] == 100.0


def test_sentence_counts_by_its_best_video() -> None:
    matrix = scores()
    matrix[4, 3] = -1  # the second video of sentence 3: its sentence is below the other's
    assert told_apart({"pose": matrix}, SENTENCE_OF, PAIRS)["head"]["pose"] == 100 * (1 + 1 + 1 + 0.5) / 4


def test_contrasts_of_the_face_are_also_counted_together() -> None:
    pairs = [Pair("brows", (0, 1)), Pair("mouth", (2, 3))]
    matrix = scores()
    matrix[:2] *= -1
    told = told_apart({"pose": matrix}, SENTENCE_OF, pairs)
    assert told["face"] == {"pairs": 2, "pose": 50.0}
    assert "face" not in told_apart({"pose": matrix}, SENTENCE_OF, PAIRS[1:])
    assert told_apart({"pose": matrix}, SENTENCE_OF, []) == {}


def test_seeds_have_a_mean_and_a_sample_deviation() -> None:
    seeds = over_seeds([{"mouth": {"pairs": 1, "pose": value}} for value in (40.0, 50.0, 60.0)])
    assert seeds == {"mean": {"mouth": {"pose": 50.0}}, "std": {"mouth": {"pose": pytest.approx(10.0)}}}
