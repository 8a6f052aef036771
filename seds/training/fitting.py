"""Fits a model: builds it, trains it by the published recipe (SPEC 9), and chooses the epoch on dev."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seds.config import Train, TrainProfile
from seds.data.split import Split
from seds.model import distributed
from seds.model.clip import load_clip
from seds.model.heads import Heads
from seds.model.initialisation import initialise
from seds.model.losses import check_streams
from seds.model.published import load_signbert
from seds.model.seds import SEDS
from seds.resume.checkpointer import Checkpointer
from seds.retrieval import inference, leaks, ranks
from seds.retrieval.ranks import Metrics
from seds.training.alarms import TrainingError
from seds.training.loop import EVAL_TRAIN_SENTENCES, Loop, Recipe, retrieval_metrics
from seds.training.run_state import Values


@dataclass(frozen=True)
class Fit:
    """What training leaves behind: the weights of the chosen epoch and what was measured.

    dev, train: retrieval metrics of the chosen epoch; train_last_epoch: of the last. Those of train rank its first
    sentences (at most EVAL_TRAIN_SENTENCES) among themselves. dev_without_leaks: of retrieval.leaks, at the chosen
    epoch. recalls: of each epoch, the R@1 on dev that it was chosen
    by. pose_weight: how much pose counts in the fusion, chosen on dev; None = the streams are not weighed. warnings: of
    seds.training.alarms, as text; counts: how often each occurred. hours: of training, summed over all interruptions.
    """

    epoch: int
    state: dict[str, Tensor]
    dev: Metrics
    dev_without_leaks: dict[str, Any]
    train: Metrics
    train_last_epoch: Metrics
    recalls: list[float]
    pose_weight: float | None
    warnings: list[str]
    counts: dict[str, int]
    hours: float


def build(
    train: Split, settings: Train, profile: TrainProfile, seed: int, device: str, pretrained: Path | None = None
) -> SEDS:
    """A model ready to train: initialised from `seed`, then with the pretrained weights that the profile names, or with
    the encoder of stage pretrain (`pretrained`).

    Where an idea needs parts that are for training alone, the model has them too, until `fit` is done. Raises
    ConfigError when the losses need what the model is without, such as a second stream; ClipError,
    PublishedTensorsError and WeightFileError for weights that do not fit or cannot be read.
    """
    model = SEDS(profile.model, settings.numerics)
    check_streams(model.streams, settings.losses)
    # A micro-batch no smaller than this process's part of a batch saves nothing, but would cost a second forward pass.
    rows = math.ceil(profile.batch / distributed.world_size())
    needed = profile.micro_batch is not None and profile.micro_batch < rows
    model.set_activation_checkpointing(profile.checkpointing, profile.micro_batch if needed else None)
    initialise(model, torch.Generator().manual_seed(seed))
    if profile.clip is not None:
        load_clip(model, profile.clip)
    if profile.signbert is not None:
        print(load_signbert(model, Path(profile.signbert), profile.signbert_allow))
    if pretrained is not None:
        print(load_signbert(model, pretrained))
    if profile.standardise_rgb and "rgb" in model.streams:
        mean, deviation = rgb_statistics(train)
        model.rgb_mean.copy_(torch.from_numpy(mean))
        model.rgb_std.copy_(torch.from_numpy(deviation))
    if settings.ideas.transport_weight or settings.ideas.caption_weight:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            vocabulary = torch.from_numpy(np.unique(train.ids))
            model.heads = Heads(settings.ideas, profile.model, model.streams, vocabulary)
    if profile.compile:
        model.compile_blocks()
    return model.to(device)


def rgb_statistics(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each RGB feature over all windows of a split, float32 [features]."""
    windows = sum(len(video.rgb) for video in split.videos)
    mean = sum(video.rgb.sum(axis=0, dtype=np.float64) for video in split.videos) / windows
    spread = sum(np.square(video.rgb - mean).sum(axis=0) for video in split.videos) / windows
    # A feature that never changes (a dead unit) is not scaled.
    deviation = np.where(spread > 0, np.sqrt(spread), 1.0)
    return mean.astype(np.float32), deviation.astype(np.float32)


def fit(
    model: SEDS,
    train: Split,
    dev: Split,
    recipe: Recipe,
    log: Callable[[Values], None],
    checkpointer: Checkpointer | None = None,
) -> Fit:
    """Train for the epochs of the recipe's profile; after each, evaluate on dev and `log` the values.

    The epoch with the best R@1 of the main stream, averaged over both directions, is kept; of equals the one with the
    lower mean rank, then the later. checkpointer: saves the run's state, so that a run interrupted at any step gives
    the same result when called again with the same arguments; epochs evaluated before are logged again. Raises
    TrainingError when a loss or gradient is NaN or infinite.

    With several processes (seds.model.distributed) all call this alike and divide the rows of the same batches. Each
    evaluates on dev, since it would only wait for another that did, and all return the same; only the first logs and
    saves.
    """
    profile = recipe.profile
    check_process_count(len(train.sentence_ids), profile.batch, distributed.world_size())
    loop = Loop(model, train, dev, recipe, checkpointer)
    state, main = loop.state, model.streams[0]
    for values in state.history:
        log(values)
    silent = distributed.rank() > 0
    with tqdm(
        total=loop.total_steps, initial=state.step, unit="step", desc="train", mininterval=1.0, disable=silent
    ) as bar:
        while loop.epoch <= profile.epochs:
            loop.run_epoch(bar)
            values = loop.end_epoch()
            if best_epoch(state.history, main) == len(state.history):
                state.save_best()
            if checkpointer is not None:
                checkpointer.maybe_save(state)
            log(values)
            best = state.history[best_epoch(state.history, main) - 1]
            recall, highest = (ranks.mean_recall(epoch["dev"][main]) for epoch in (values, best))
            bar.set_postfix_str(f"loss {values['loss']['total']:.2f}, dev R@1 {recall:.1f}, best {highest:.1f}")
    if checkpointer is not None:
        checkpointer.finish(state)
    chosen = best_epoch(state.history, main)
    sample = train.subset(EVAL_TRAIN_SENTENCES)
    train_last_epoch = retrieval_metrics(model, sample)
    model.heads = None
    model.load_state_dict(state.best)
    return Fit(
        epoch=chosen,
        state=state.best,
        dev=state.history[chosen - 1]["dev"],
        dev_without_leaks=leaks.without_leaks(inference.score(model, dev), dev.texts, dev.sentence_of, train.texts),
        train=retrieval_metrics(model, sample),
        train_last_epoch=train_last_epoch,
        recalls=[ranks.mean_recall(epoch["dev"][main]) for epoch in state.history],
        pose_weight=state.history[chosen - 1].get("pose_weight"),
        warnings=loop.alarms.texts(),
        counts=loop.alarms.counts(),
        hours=state.seconds / 3600,
    )


def best_epoch(history: Sequence[Values], stream: str) -> int:
    """The epoch, from 1, with the highest R@1 on dev, averaged over both directions; ties go to the lowest mean rank,
    then to the latest epoch.

    A small dev split ranks everything right long before training ends, and says no more: what is learnt from then on is
    kept, as it would be without dev.
    """
    metrics = [values["dev"][stream] for values in history]
    scores = [(ranks.mean_recall(of_epoch), -ranks.mean_rank(of_epoch)) for of_epoch in metrics]
    return max(range(len(scores)), key=lambda place: (scores[place], place)) + 1


def check_process_count(sentences: int, batch: int, processes: int) -> None:
    """Raises TrainingError for a single sentence, and when a batch of an epoch has fewer than there are processes."""
    if sentences < 2:
        raise TrainingError(
            "train has a single usable sentence, and none to tell it from; data/manifest says why others are left out"
        )
    last = sentences % batch
    smallest = last if last >= 2 or sentences < batch else batch  # a last batch of one sentence is skipped
    if smallest < processes:
        raise TrainingError(
            f"{sentences} sentences in batches of {batch} leave a batch of {smallest} for {processes} processes; "
            f"change `batch` of the profile (params.yaml), or start at most {smallest} processes"
        )
