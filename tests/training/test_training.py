"""Training on a corpus that takes seconds to learn, and what is kept of it."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.corpus import RULES, SIZES, WORDS, write_corpus
from helpers.float64 import Float64Split
from helpers.recorded import without_dropout

from seds.config import ConfigError, Losses, Train, TrainProfile
from seds.data.batches import Numerics
from seds.data.split import Split, load_split
from seds.model import checkpoint
from seds.model.seds import SEDS
from seds.retrieval import inference, ranks, stream_weight
from seds.training import fitting
from seds.training.alarms import TrainingError
from seds.training.loop import Recipe, retrieval_metrics
from seds.training.run_state import Values

PROFILE = TrainProfile(model=SIZES, lr=3e-3, lr_clip=1.0, epochs=50, batch=8, standardise_rgb=True)
SETTINGS = Train(losses=Losses(), small=PROFILE, published=PROFILE, swap=0.0)
CHANCE = math.log(len(WORDS))  # the loss of a model that finds all sentences of a batch equally similar


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Split, Split]:
    root = tmp_path_factory.mktemp("data")
    write_corpus(root, {"train": 2, "dev": 1, "test": 1})
    train, dev = (load_split("toy", split, RULES, SIZES, "default", root) for split in ("train", "dev"))
    return train, dev


def run(splits: tuple[Split, Split], profile: TrainProfile = PROFILE) -> tuple[fitting.Fit, list[Values]]:
    train, dev = splits
    torch.manual_seed(0)  # dropout
    model = fitting.build(train, SETTINGS, profile, 1, "cpu")
    logged: list[Values] = []
    return fitting.fit(model, train, dev, Recipe(SETTINGS, profile, profile.lr, 1), logged.append), logged


@pytest.fixture(scope="module")
def outcome(splits: tuple[Split, Split]) -> tuple[fitting.Fit, list[Values]]:
    return run(splits)


def test_fit_learns_to_tell_sentences_apart(outcome: tuple[fitting.Fit, list[Values]]) -> None:
    """Bounds that no seed came near, seven of which gave losses of 0.01 to 0.21 ln 8 and mean ranks of 1.0 to 1.5."""
    fit, logged = outcome
    assert len(logged) == PROFILE.epochs
    for stream in ("fusion", "pose", "rgb"):
        assert logged[-1]["loss"][stream] < 0.5 * CHANCE
    for stream in ("fusion", "rgb"):  # guessing gives 4.5, with a standard deviation of 0.5 over the 8 and 15 queries
        assert ranks.mean_rank(fit.train_last_epoch[stream]) < 2.25


def test_fit_keeps_the_epoch_that_is_best_on_dev(outcome: tuple[fitting.Fit, list[Values]]) -> None:
    fit, logged = outcome
    recalls = [ranks.mean_recall(values["dev"]["fusion"]) for values in logged]
    assert recalls[fit.epoch - 1] == max(recalls)
    assert fit.dev == logged[fit.epoch - 1]["dev"]


@pytest.mark.parametrize(
    ("recalls_and_ranks", "best"),
    [
        ([(50.0, 2.0), (100.0, 1.0), (75.0, 1.5)], 2),
        ([(75.0, 3.0), (75.0, 2.0), (75.0, 2.5)], 2),
        ([(100.0, 1.0), (100.0, 1.0), (75.0, 1.5)], 2),
    ],
)
def test_best_epoch_by_recall_then_rank_then_later(recalls_and_ranks: list[tuple[float, float]], best: int) -> None:
    history = [
        {"dev": {"pose": {way: {"R@1": recall, "MeanR": rank} for way in ("t2v", "v2t")}}}
        for recall, rank in recalls_and_ranks
    ]
    assert fitting.best_epoch(history, "pose") == best


def test_eval_train_every_sets_how_often_train_is_evaluated(splits: tuple[Split, Split]) -> None:
    settings = SETTINGS.model_copy(update={"eval_train_every": 2})
    profile = PROFILE.model_copy(update={"epochs": 5})
    model = fitting.build(splits[0], settings, profile, 1, "cpu")
    logged: list[Values] = []
    fitting.fit(model, *splits, Recipe(settings, profile, profile.lr, 1), logged.append)
    assert ["train" in values for values in logged] == [False, True, False, True, False]
    assert set(logged[1]["train"]) == set(logged[1]["dev"]) == set(model.streams)


def test_saved_weights_give_the_dev_metrics_again(
    outcome: tuple[fitting.Fit, list[Values]], splits: tuple[Split, Split], tmp_path: Path
) -> None:
    fit, _ = outcome
    model = fitting.build(splits[0], SETTINGS, PROFILE, 1, "cpu")
    checkpoint.save(tmp_path / "toy", model, fit.state, {"dataset": "toy"}, "card")
    loaded = checkpoint.load(tmp_path / "toy")
    assert retrieval_metrics(loaded, splits[1]) == fit.dev
    assert checkpoint.read_config(tmp_path / "toy")["provenance"] == {"dataset": "toy"}


@pytest.mark.slow
def test_fit_gives_the_fusion_the_weight_that_dev_chooses(splits: tuple[Split, Split], tmp_path: Path) -> None:
    train, dev = splits
    settings = SETTINGS.model_copy(update={"stream_weights": "dev"})
    profile = PROFILE.model_copy(update={"epochs": 12})
    model = fitting.build(train, settings, profile, 1, "cpu")
    logged: list[Values] = []
    fit = fitting.fit(model, train, dev, Recipe(settings, profile, profile.lr, 1), logged.append)
    assert fit.pose_weight == logged[fit.epoch - 1]["pose_weight"]
    assert fit.state["pose_weight"].item() == pytest.approx(fit.pose_weight)
    assert fit.dev == logged[fit.epoch - 1]["dev"]
    assert list(fit.dev) == ["fusion", "pose", "rgb"]
    checkpoint.save(tmp_path / "toy", model, fit.state, {}, "")
    loaded = checkpoint.load(tmp_path / "toy")
    assert retrieval_metrics(loaded, dev) == fit.dev
    _, by_weight = inference.score_weights(loaded, dev, stream_weight.WEIGHTS)
    assert stream_weight.choose(by_weight, dev.sentence_of) == fit.pose_weight


@pytest.mark.slow
def test_weights_chosen_on_dev_do_not_change_training(splits: tuple[Split, Split]) -> None:
    profile, states = PROFILE.model_copy(update={"epochs": 3}), []
    for weights in ("dev", "equal"):
        settings = SETTINGS.model_copy(update={"stream_weights": weights})
        model = fitting.build(splits[0], settings, profile, 1, "cpu")
        logged: list[Values] = []
        fitting.fit(model, *splits, Recipe(settings, profile, profile.lr, 1), logged.append)
        states.append([values["loss"] for values in logged])
    assert states[0] == states[1]


@pytest.mark.parametrize(("numerics", "streams"), [("published", "both"), ("default", "pose")])
def test_streams_are_not_weighed_in_other_models(splits: tuple[Split, Split], numerics: Numerics, streams: str) -> None:
    found = []
    for weights in ("dev", "equal"):
        settings = SETTINGS.model_copy(update={"stream_weights": weights, "numerics": numerics})
        profile = PROFILE.model_copy(update={"epochs": 1, "model": SIZES.model_copy(update={"streams": streams})})
        padded = [Split(split.videos, SIZES, numerics) for split in splits]
        model = fitting.build(padded[0], settings, profile, 1, "cpu")
        found.append(fitting.fit(model, *padded, Recipe(settings, profile, profile.lr, 1), lambda values: None))
    weighed, equal = found
    assert weighed.pose_weight is None
    assert all(tensor.equal(equal.state[name]) for name, tensor in weighed.state.items())


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"streams": "pose"}, {"streams": "rgb"}, {"fusion": "mlp"}])
def test_models_of_other_parts_learn_too(changes: dict, splits: tuple[Split, Split], tmp_path: Path) -> None:
    profile = PROFILE.model_copy(update={"model": SIZES.model_copy(update=changes), "epochs": 24})
    fit, logged = run(splits, profile)
    model = SEDS(profile.model)
    assert set(logged[0]["loss"]) == {"total", *model.streams, *(["match"] if len(model.streams) > 1 else [])}
    for stream in model.streams:  # five seeds came to at most 0.65 of it
        assert logged[-1]["loss"][stream] < 0.85 * CHANCE
    assert list(fit.dev) == list(fit.train) == list(model.streams)
    recalls = [ranks.mean_recall(values["dev"][model.streams[0]]) for values in logged]
    assert recalls[fit.epoch - 1] == max(recalls)
    checkpoint.save(tmp_path / "toy", model, fit.state, {}, "")
    assert retrieval_metrics(checkpoint.load(tmp_path / "toy"), splits[1]) == fit.dev


@pytest.mark.slow
def test_compiled_blocks_train_the_same_weights(splits: tuple[Split, Split], tmp_path: Path) -> None:
    """In float64, as compiled code sums in another order; tests/helpers/float64.py says why that matters."""
    from torch._dynamo.utils import counters

    train, dev = map(Float64Split.of, splits)
    profile = PROFILE.model_copy(update={"epochs": 3, "model": SIZES.model_copy(update={"streams": "pose"})})
    found = []
    counters.clear()
    for compiled in (False, True):
        model = fitting.build(train, SETTINGS, profile.model_copy(update={"compile": compiled}), 1, "cpu").double()
        without_dropout(model)
        logged: list[Values] = []
        fit = fitting.fit(model, train, dev, Recipe(SETTINGS, profile, profile.lr, 1), logged.append)
        found.append((fit, [values["loss"]["total"] for values in logged]))
        assert list(model.state_dict()) == list(fit.state)
        assert (counters["stats"]["unique_graphs"] > 0) == compiled
    (plain, losses), (quick, same_losses) = found
    assert same_losses == pytest.approx(losses, rel=1e-9)
    torch.testing.assert_close(quick.state, plain.state, rtol=1e-9, atol=1e-9)
    assert quick.dev == plain.dev
    checkpoint.save(tmp_path / "toy", model, quick.state, {}, "")
    for name, tensor in checkpoint.load(tmp_path / "toy").state_dict().items():
        assert tensor.equal(quick.state[name].to(tensor.dtype)), name


def test_build_refuses_distillation_of_one_stream(splits: tuple[Split, Split]) -> None:
    profile = PROFILE.model_copy(update={"model": SIZES.model_copy(update={"streams": "pose"})})
    settings = SETTINGS.model_copy(update={"losses": Losses(distill_pose=0.5)})
    with pytest.raises(ConfigError, match="or model streams to both"):
        fitting.build(splits[0], settings, profile, 1, "cpu")


@pytest.mark.parametrize(("micro_batch", "used"), [(None, None), (3, 3), (4, None), (9, None)])
def test_micro_batch_as_large_as_a_batch_is_not_used(
    splits: tuple[Split, Split], micro_batch: int | None, used: int | None
) -> None:
    profile = PROFILE.model_copy(update={"batch": 4, "micro_batch": micro_batch})
    model = fitting.build(splits[0], SETTINGS, profile, 1, "cpu")
    assert model.micro_batch == used
    assert model.pose_encoder.checkpointing == model.pose_encoder.hand.checkpointing == (used is not None)
    assert not model.pose_tower.blocks.checkpointing


def test_fit_with_the_same_seed_gives_the_same_weights(splits: tuple[Split, Split]) -> None:
    brief = PROFILE.model_copy(update={"epochs": 1})
    (first, _), (second, _) = run(splits, brief), run(splits, brief)
    assert all(first.state[name].equal(second.state[name]) for name in first.state)


def test_rgb_statistics_are_those_of_all_windows(splits: tuple[Split, Split]) -> None:
    train = splits[0]
    rows = np.concatenate([video.rgb for video in train.videos]).astype(np.float64)
    mean, deviation = fitting.rgb_statistics(train)
    np.testing.assert_allclose(mean, rows.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, rows.std(axis=0), rtol=1e-5)


def test_nan_loss_stops_training_with_advice(splits: tuple[Split, Split]) -> None:
    train, dev = splits
    model = fitting.build(train, SETTINGS, PROFILE, 1, "cpu")
    model.rgb_mean.fill_(torch.nan)
    with pytest.raises(TrainingError, match=r"became nan in epoch 1, step 1, .* Try a lower learning rate"):
        fitting.fit(model, train, dev, Recipe(SETTINGS, PROFILE, PROFILE.lr, 1), lambda values: None)


def test_model_folder_that_does_not_fit_is_refused(splits: tuple[Split, Split], tmp_path: Path) -> None:
    with pytest.raises(checkpoint.CheckpointError, match="dvc repro train@none"):
        checkpoint.load(tmp_path / "none")
    model = fitting.build(splits[0], SETTINGS, PROFILE, 1, "cpu")
    state = dict(model.state_dict())
    state["logit_scale"] = torch.zeros(3)
    checkpoint.save(tmp_path / "odd", model, state, {}, "")
    with pytest.raises(checkpoint.CheckpointError, match="logit_scale"):
        checkpoint.load(tmp_path / "odd")
    (tmp_path / "odd" / checkpoint.WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(checkpoint.CheckpointError, match=r"seds\.safetensors cannot be read"):
        checkpoint.load(tmp_path / "odd")


@pytest.mark.parametrize(("sentences", "batch", "processes"), [(64, 32, 8), (31, 32, 8), (33, 32, 32), (40, 32, 8)])
def test_batches_of_enough_sentences_for_all_processes_pass(sentences: int, batch: int, processes: int) -> None:
    fitting.check_process_count(sentences, batch, processes)


def test_single_sentence_is_refused() -> None:
    with pytest.raises(TrainingError, match="train has a single usable sentence, and none to tell it from"):
        fitting.check_process_count(1, 32, 1)


@pytest.mark.parametrize(("sentences", "batch", "processes", "left"), [(39, 32, 8, 7), (6, 32, 8, 6), (64, 4, 8, 4)])
def test_batch_smaller_than_the_processes_is_refused(sentences: int, batch: int, processes: int, left: int) -> None:
    with pytest.raises(TrainingError, match=f"leave a batch of {left} for 8 processes; .* at most {left} processes"):
        fitting.check_process_count(sentences, batch, processes)
