"""What goes wrong while training, each really brought about."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corpus import RULES, SIZES, WORDS, write_corpus

from seds import tables
from seds.config import Losses, Train, TrainProfile
from seds.data.split import Split, load_split
from seds.resume.checkpointer import Checkpointer, StopSignal
from seds.retrieval import inference
from seds.retrieval.metrics import standard_error
from seds.training import fitting
from seds.training.alarms import Alarms, TrainingError
from seds.training.loop import Recipe

PROFILE = TrainProfile(model=SIZES, lr=1e-3, lr_clip=1.0, epochs=2, batch=4)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_corpus(folder, {"train": 2, "dev": 1})
    return folder


def load(root: Path) -> tuple[Split, Split]:
    train, dev = (load_split("toy", split, RULES, SIZES, "default", root) for split in ("train", "dev"))
    return train, dev


def fit(
    train: Split,
    dev: Split,
    losses: Losses | None = None,
    spoil=None,
    checkpointer: Checkpointer | None = None,
    **profile: object,
) -> fitting.Fit:
    """A short training; spoil(model) before it."""
    chosen = PROFILE.model_copy(update=profile)
    settings = Train(losses=losses or Losses(), small=chosen, published=chosen)
    model = fitting.build(train, settings, chosen, 1, "cpu")
    if spoil is not None:
        spoil(model)
    return fitting.fit(model, train, dev, Recipe(settings, chosen, chosen.lr, 1), lambda values: None, checkpointer)


def spoilt(split: Split, video_id: str, value: float) -> Split:
    """The split with one number of one video's RGB features replaced."""
    videos = [split.videos[i] for i in range(len(split.videos))]
    at = split.video_ids.index(video_id)
    features = np.array(videos[at].features)
    features[0, 0] = value
    videos[at] = type(videos[at])(**{**vars(videos[at]), "features": features})
    return Split(videos, SIZES)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_in_an_input_stops_training_and_names_the_video(root: Path, tmp_path: Path, value: float) -> None:
    train, dev = load(root)
    culprit = train.video_ids[0]
    sentence = [i for i, s in enumerate(train.sentence_of) if s == train.sentence_of[0]]
    for i in sentence:  # whichever of its videos is drawn
        train = spoilt(train, train.video_ids[i], value)
    checkpointer = Checkpointer(tmp_path / "run", 10, StopSignal())
    with pytest.raises(
        TrainingError, match=r"became nan in epoch 1, step \d.*already contain NaN or infinity"
    ) as raised:
        fit(train, dev, checkpointer=checkpointer)
    path = tmp_path / "run" / "not_finite.json"
    assert str(path) in str(raised.value)
    record = json.loads(path.read_text())
    named = {video["video_id"] for video in record["videos"]}
    (bad,) = record["inputs_not_finite"]["features"]
    assert bad in named & {train.video_ids[i] for i in sentence}
    assert bad in str(raised.value)
    assert len(named) == 4
    assert record["loss"]["rgb"] == "nan"
    assert record["weights_not_finite"] == []
    assert any(name.startswith("rgb_tower") for name in record["gradients_not_finite"])
    assert culprit.split("-")[1] in {video["text"].split()[-1] for video in record["videos"]}


def test_nan_weights_stop_training_with_advice(root: Path) -> None:
    train, dev = load(root)
    with pytest.raises(TrainingError, match="Try a lower learning rate: dvc exp run -S lr=1e-4"):
        fit(train, dev, spoil=lambda model: model.rgb_tower.ln_post.weight.data.fill_(torch.nan))


def test_infinite_gradient_of_a_finite_loss_stops_training(root: Path, tmp_path: Path) -> None:
    train, dev = load(root)

    def spoil(model) -> None:
        model.pose_tower.ln_post.weight.register_hook(lambda gradient: gradient * torch.inf)

    with pytest.raises(TrainingError, match=r"the gradient became (inf|nan) in epoch 1, step 1"):
        fit(train, dev, spoil=spoil, checkpointer=Checkpointer(tmp_path, 10, StopSignal()))
    record = json.loads((tmp_path / "not_finite.json").read_text())
    assert record["gradients_not_finite"] == ["pose_tower.ln_post.weight"]
    assert float(record["loss"]["total"]) > 0


@pytest.mark.slow
def test_exploding_gradient_warns_once_and_is_counted(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    train, dev = load(root)
    steps = []

    def spoil(model) -> None:
        def explode(gradient: torch.Tensor) -> torch.Tensor:
            steps.append(1)
            return gradient * (1e5 if len(steps) in (25, 27) else 1)

        model.pose_tower.ln_post.weight.register_hook(explode)

    found = fit(train, dev, spoil=spoil, epochs=15)
    assert len(steps) == 30
    assert found.counts["exploding_gradients"] == 2
    assert caplog.text.count("in epoch 13 the gradient norm was") == 1
    assert any(text.startswith("in epoch 13 the gradient norm was") and "(2 times)" in text for text in found.warnings)


def test_collapsed_stream_is_warned_of(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    train, dev = load(root)

    def spoil(model) -> None:
        """Its RGB tower says the same of every video, whatever it learns in one step of rate almost 0."""
        model.rgb_tower.ln_post.weight.data.zero_()
        model.rgb_tower.ln_post.bias.data.fill_(1.0)

    found = fit(train, dev, spoil=spoil, lr=1e-12)
    assert found.counts["collapsed"] == 2  # epochs, of one stream
    assert caplog.text.count("the stream rgb has collapsed: all videos of dev are equally similar") == 1
    assert fit(train, dev).counts["collapsed"] == 0


def test_collapse_of_texts_is_warned_of(root: Path) -> None:
    train, dev = load(root)
    alarms = Alarms(train, dev, Losses(), {})
    rows = np.arange(8.0)[:, None] + np.zeros((8, 8))  # videos differ, sentences do not
    alarms.check_similarities({"pose": rows, "rgb": np.random.default_rng(0).normal(size=(8, 8))}, 1.0, 3)
    assert alarms.texts()[-1].startswith("after epoch 3 the stream pose has collapsed: all sentences of dev")
    assert alarms.counts()["collapsed"] == 1


def test_untrained_model_has_not_collapsed(root: Path) -> None:
    train, dev = load(root)
    model = fitting.build(train, Train(losses=Losses(), small=PROFILE, published=PROFILE), PROFILE, 1, "cpu")
    alarms = Alarms(train, dev, Losses(), {})
    alarms.check_similarities(inference.score(model, dev), model.logit_scale.exp().item(), 1)
    assert alarms.counts()["collapsed"] == 0


def test_small_dev_set_is_warned_of_with_its_standard_error(root: Path, caplog: pytest.LogCaptureFixture) -> None:
    train, dev = load(root)
    found = fit(train, dev)
    message = f"dev has {len(dev.sentence_ids)} sentences, so R@1 has a standard error of up to 18.9 points"
    assert caplog.text.count(message) == 1
    assert any(text.startswith(message) for text in found.warnings)


def test_standard_error_is_that_of_many_draws() -> None:
    hits = np.random.default_rng(0).binomial(50, 0.3, size=100_000)
    assert standard_error(30.0, 50) == pytest.approx((100 * hits / 50).std(), rel=0.01)
    assert standard_error(50.0, 519) < 3 < standard_error(50.0, 40)  # PHOENIX-2014T's dev set is large enough


@pytest.mark.parametrize(("setting", "said"), [("ignore", "not used as negatives"), ("negative", "as published")])
def test_duplicate_sentences_of_a_batch_warn_and_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, setting: str, said: str
) -> None:
    write_corpus(tmp_path, {"train": 1, "dev": 1})
    path = tmp_path / "manifest" / "toy.parquet"
    manifest = tables.read(path, tables.MANIFEST, "")
    same = manifest["sentence_id"].isin([f"train-{word}" for word in WORDS[:3]])
    tables.write(manifest.assign(text=manifest["text"].mask(same, "a cat")), tables.MANIFEST, path)
    train, dev = load(tmp_path)
    found = fit(train, dev, losses=Losses(duplicates=setting), batch=8)
    assert caplog.text.count("a batch of epoch 1 contains one sentence 3 times ('a cat')") == 1
    assert found.counts["batches_with_duplicates"] == 2  # one an epoch
    assert found.counts["duplicate_sentences"] == 4  # two more than one, an epoch
    assert any(said in text and "(2 times)" in text for text in found.warnings)


def test_counts_are_zero_where_nothing_is_wrong(root: Path) -> None:
    train, dev = load(root)
    assert set(fit(train, dev).counts.values()) == {0}
