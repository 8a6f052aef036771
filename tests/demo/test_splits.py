"""The splits and their minimal pairs."""

from collections import Counter

import numpy as np
import pytest

from seds.demo.language import PATTERNS, SIGNS, twin
from seds.demo.splits import Group, LanguageError, draw_splits

FORMS = {"question": 0.25, "negation": 0.2}
PAIRS = {"brows": 0.37, "mouth": 0.37, "head": 0.14}


def draw(seed: int = 0, **counts: int) -> dict[str, list[Group]]:
    return draw_splits(counts, np.random.default_rng(seed), FORMS, PAIRS)


def contrasts(groups: list[Group]) -> dict[str, int]:
    return dict(Counter(group.contrast for group in groups))


@pytest.mark.parametrize("counts", [(300, 40, 60), (300, 40, 300), (8, 3, 4)])
def test_later_splits_combine_glosses_of_the_first_anew(counts):
    splits = draw(**dict(zip(("train", "dev", "test"), counts, strict=True)))
    sentences = {split: [s for group in groups for s in group.sentences] for split, groups in splits.items()}
    assert tuple(map(len, sentences.values())) == counts
    everything = [sentence for split in sentences.values() for sentence in split]
    assert len({sentence.text for sentence in everything}) == len(everything)
    trained = {sentence.hands for sentence in sentences["train"]}
    seen = {gloss for sentence in sentences["train"] for gloss in sentence.glosses}
    for later in ("dev", "test"):
        assert {gloss for sentence in sentences[later] for gloss in sentence.glosses} <= seen
        assert not trained & {sentence.hands for sentence in sentences[later]}
    held_out = [group.sentences[0].hands for split in ("dev", "test") for group in splits[split]]
    assert len(set(held_out)) == len(held_out)


def test_pairs_are_as_many_as_asked_for():
    splits = draw(train=300, dev=40, test=60)
    assert contrasts(splits["train"]) == {"": 300}
    assert contrasts(splits["dev"]) == {"brows": 7, "mouth": 7, "head": 2, "": 8}
    assert contrasts(splits["test"]) == {"brows": 11, "mouth": 11, "head": 4, "": 8}
    large = contrasts(draw(train=300, dev=40, test=300)["test"])
    assert large["brows"] + large["mouth"] >= 50


@pytest.mark.parametrize("seed", [0, 1])
def test_pair_differs_in_one_thing_and_is_held_out_of_training(seed):
    splits = draw(seed, train=300, dev=40, test=300)
    together = [set(group.sentences[0].hands) for group in splits["train"]]
    for group in splits["dev"] + splits["test"]:
        if not group.contrast:
            continue
        one, other = group.sentences
        assert one.hands == other.hands
        assert not any(set(one.hands) <= hands for hands in together)
        if group.contrast == "mouth":
            assert one.form == other.form != "negation"
            changed = [(a, b) for a, b in zip(one.glosses, other.glosses, strict=True) if a != b]
            assert len(changed) == 1
            assert twin(changed[0][0]) == changed[0][1]
        else:
            assert one.glosses == other.glosses
            expected = {"brows": "question", "head": "negation"}[group.contrast]
            assert (one.form, other.form) == ("statement", expected)


def test_questions_and_negations_are_spread_over_the_patterns():
    drawn = [group.sentences[0] for group in draw(train=400)["train"]]
    forms = Counter(sentence.form for sentence in drawn)
    assert forms["question"] == pytest.approx(100, abs=len(PATTERNS))
    assert forms["negation"] == pytest.approx(80, abs=len(PATTERNS))
    for roles in PATTERNS:
        of_pattern = Counter(sentence.form for sentence in drawn if sentence.roles == roles)
        for form, share in FORMS.items():
            assert of_pattern[form] == pytest.approx(share * of_pattern.total(), abs=1)


def test_training_uses_every_gloss_often():
    train = draw(1, train=300)["train"]
    uses = [sum(gloss in group.sentences[0].glosses for group in train) for gloss in SIGNS]
    assert min(uses) >= 15


def test_more_sentences_than_the_grammar_has_are_refused():
    with pytest.raises(LanguageError, match="the grammar has 4459"):
        draw(train=4460)
    with pytest.raises(LanguageError, match="dev: 7 pairs that differ in brows asked for, but after 0"):
        draw(train=1, dev=40)
