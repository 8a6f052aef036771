"""Which random changes of training videos are possible."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.corpus import RULES, SIZES, write_corpus

from seds import tables
from seds.config import Augment, ConfigError, Ideas, Losses, Train, TrainProfile
from seds.data.split import load_split
from seds.training.loop import changes_of
from seds.training.signs import dictionary_clips

PROFILE = TrainProfile(model=SIZES, lr=1e-3, lr_clip=1.0, epochs=1, batch=8)


def settings(**ideas: float) -> Train:
    return Train(losses=Losses(), small=PROFILE, published=PROFILE, ideas=Ideas(**ideas))


def write_signs(root: Path, sources: dict[str, str]) -> None:
    rows = [(video_id, 0.0, 1.0, "manual", "CAT", source, 1.0) for video_id, source in sources.items()]
    tables.write(pd.DataFrame(rows, columns=list(tables.SIGNS.columns)), tables.SIGNS, root / "signs/toy.parquet")


def test_phrases_are_of_the_clips_that_show_a_single_sign(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train": 1, "test": 1})
    train = load_split("toy", "train", RULES, SIZES, "default", tmp_path)
    write_signs(tmp_path, {"train-dog-0": "dictionary", "train-cat-0": "annotation", "test-dog-0": "dictionary"})
    clips = dictionary_clips("toy", tmp_path)
    assert clips == {"train-dog-0", "test-dog-0"}
    changes = changes_of(train, settings(), Augment(phrases=0.5), clips)
    assert changes is not None
    assert [train.video_ids[i] for i in changes.clips] == ["train-dog-0"]
    assert changes_of(train, settings(), Augment(), clips) is None


def test_phrases_without_a_dictionary_are_refused(tmp_path: Path) -> None:
    write_signs(tmp_path, {"train-cat-0": "annotation"})
    with pytest.raises(ConfigError, match=r"augment\.phrases joins clips of single signs, and .*toy\.parquet has none"):
        dictionary_clips("toy", tmp_path)


@pytest.mark.parametrize("idea", ["sign_weight", "substitutes_weight"])
@pytest.mark.parametrize("change", ["speed", "phrases"])
def test_changes_that_a_loss_does_not_know_are_refused(tmp_path: Path, idea: str, change: str) -> None:
    write_corpus(tmp_path, {"train": 1})
    train = load_split("toy", "train", RULES, SIZES, "default", tmp_path)
    with pytest.raises(ConfigError, match=rf"train\.ideas\.{idea} knows the windows"):
        changes_of(train, settings(**{idea: 0.5}), Augment(**{change: 0.5}), frozenset())
    assert changes_of(train, settings(**{idea: 0.5}), Augment(rotation=5), frozenset()) is not None
