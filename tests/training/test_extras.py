"""What is drawn for the losses of other methods: substitutes, and single signs by their windows."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers.corpus import RULES, SIZES, WORDS, write_corpus

from seds import tables
from seds.config import ConfigError, Ideas, Losses, Train, TrainProfile
from seds.data.split import Split, load_split
from seds.model import checkpoint
from seds.model.seds import SEDS
from seds.resume.checkpointer import Checkpointer, StopSignal
from seds.training import fitting
from seds.training.extras import CAPTIONS, ExtrasOfTraining
from seds.training.loop import Recipe, retrieval_metrics
from seds.training.signs import Signs, load_signs

CPU = torch.device("cpu")
IDEAS = Ideas(sign_weight=0.3, substitutes_weight=0.4, transport_weight=1, caption_weight=1, hard_negatives=0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("data")
    write_corpus(data, {"train": 2, "dev": 1})
    rows = [(f"train-{word}-0", 0.11 * i, 0.11 * i + 0.3, word.upper()) for i, word in enumerate(WORDS[:3])]
    rows += [("train-cat-1", 0.0, 0.01, "CAT"), ("dev-cat-0", 0.0, 0.5, "CAT")]
    signs = pd.DataFrame(rows, columns=["video_id", "start_s", "end_s", "label"])
    signs = signs.assign(tier="manual", source="annotation", score=1.0)
    brows = signs.iloc[:1].assign(tier="nonmanual", label="question")
    tables.write(pd.concat([signs, brows]), tables.SIGNS, data / "signs/toy.parquet")
    return data


@pytest.fixture(scope="module")
def train(root: Path) -> Split:
    return load_split("toy", "train", RULES, SIZES, "default", root)


def test_signs_are_shown_by_the_windows_around_them(root: Path, train: Split) -> None:
    signs = load_signs("toy", train, RULES.window, root)
    assert [len(found) for found in signs.of_video][:4] == [1, 1, 1, 0]
    for place, start in ((0, 0.0), (2, 0.11), (4, 0.22)):
        ((first, stop, label),) = signs.of_video[place]
        centres = [(s + 8) / 25 for s in train.videos[place].starts]  # 16 frames at 25 fps, all of them retained
        inside = [i + 1 for i, centre in enumerate(centres) if start <= centre < start + 0.3]
        nearest = 1 + min(range(len(centres)), key=lambda i: abs(centres[i] - start - 0.15))
        assert list(range(first, stop)) == (inside or [nearest])
        assert train.tokenise([WORDS[place // 2]]).tolist() == signs.ids[label : label + 1].tolist()
    assert signs.of_video[1] == [(1, 2, 0)]  # shorter than a window: the nearest


def test_no_signs_in_train_is_an_error_that_says_what_to_change(root: Path, train: Split, tmp_path: Path) -> None:
    for kind in ("manifest", "pose"):
        (tmp_path / kind).symlink_to(root / kind)
    signs = tables.read(root / "signs/toy.parquet", tables.SIGNS, "")
    of_dev = signs[signs["video_id"].str.startswith("dev")]
    tables.write(of_dev, tables.SIGNS, tmp_path / "signs/toy.parquet")
    with pytest.raises(ConfigError, match="has none of the hands in training videos; set it to 0"):
        load_signs("toy", train, RULES.window, tmp_path)


def test_substitutes_have_words_of_training_and_repeat_for_a_step(train: Split) -> None:
    ideas, indices = Ideas(substitutes_weight=0.4), np.array([5, 0, 9])
    drawn, again, later = (
        ExtrasOfTraining(train, ideas, 1, None).of_batch(indices, step, CPU).substitutes for step in (7, 7, 8)
    )
    assert drawn is not None
    assert drawn.ids.shape == (3, CAPTIONS, SIZES.max_words)
    assert drawn.ids.equal(again.ids)  # type: ignore[union-attr]
    assert not drawn.ids.equal(later.ids)  # type: ignore[union-attr]
    assert drawn.real.all()
    own = torch.from_numpy(train.ids[train.sentence_of[indices]])
    assert not (drawn.ids == own[:, None]).all(-1).any()
    assert set(drawn.ids.flatten().tolist()) <= set(train.ids.flatten().tolist())


def test_sign_rows_name_the_labels_of_the_batch(train: Split) -> None:
    signs = Signs([[(1, 2, 5), (3, 4, 2)], [], [(2, 3, 5)]], np.arange(12).reshape(6, 2))
    rows = ExtrasOfTraining(train, Ideas(sign_weight=1.0), 1, signs).of_batch(np.array([2, 1, 0]), 0, CPU).signs
    assert rows is not None
    assert rows.rows.tolist() == [0, 2, 2]
    assert (rows.first.tolist(), rows.stop.tolist()) == ([2, 1, 3], [3, 2, 4])
    assert rows.ids[rows.labels].tolist() == [[10, 11], [10, 11], [4, 5]]
    none = ExtrasOfTraining(train, Ideas(sign_weight=1.0), 1, signs).of_batch(np.array([1]), 0, CPU).signs
    assert none is not None
    assert none.ids.shape == (0, 2)
    assert ExtrasOfTraining(train, Ideas(), 1, signs).of_batch(np.array([0]), 0, CPU).signs is None


@pytest.mark.slow
def test_training_with_every_idea_resumes_and_leaves_a_model_without_heads(
    root: Path, train: Split, tmp_path: Path
) -> None:
    dev = load_split("toy", "dev", RULES, SIZES, "default", root)
    sizes = SIZES.model_copy(update={"token_weights": "learned"})
    profile = TrainProfile(model=sizes, lr=1e-3, lr_clip=1.0, epochs=2, batch=4)
    settings = Train(losses=Losses(), ideas=IDEAS, small=profile, published=profile)
    recipe = Recipe(settings, profile, profile.lr, 1, load_signs("toy", train, RULES.window, root))

    def run(log: Callable[[Any], None], folder: Path | None = None) -> tuple[fitting.Fit, SEDS]:
        model = fitting.build(train, settings, profile, 1, "cpu")
        checkpointer = None if folder is None else Checkpointer(folder, 0, StopSignal())
        return fitting.fit(model, train, dev, recipe, log, checkpointer), model

    def stop(values: Any) -> None:
        raise KeyboardInterrupt

    logged: list[Any] = []
    whole, model = run(logged.append)
    assert list(logged[0]["loss"]) == ["total", *model.streams, "match", "caption", "substitutes", "signs"]
    assert model.heads is None
    assert not [name for name in whole.state if name.startswith("heads.")]
    assert [name for name in whole.state if name.startswith("token_weights.")]
    with pytest.raises(KeyboardInterrupt):
        run(stop, tmp_path / "run")
    resumed, _ = run(lambda values: None, tmp_path / "run")
    assert all(tensor.equal(resumed.state[name]) for name, tensor in whole.state.items())
    checkpoint.save(tmp_path / "toy", model, whole.state, {}, "")
    assert retrieval_metrics(checkpoint.load(tmp_path / "toy"), dev) == whole.dev
