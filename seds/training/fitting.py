"""Training: the published recipe (SPEC 9), with the epoch chosen on dev."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seds.config import Train, TrainProfile
from seds.data.split import Split
from seds.model import distributed
from seds.model.clip import load_clip
from seds.model.initialisation import initialise
from seds.model.losses import check_streams
from seds.model.published import load_signbert
from seds.model.seds import SEDS
from seds.resume.checkpointer import Keeper
from seds.retrieval import ranks
from seds.retrieval.ranks import Metrics
from seds.training.alarms import TrainingError
from seds.training.loop import EVAL_TRAIN_SENTENCES, Loop, Recipe, measure
from seds.training.run_state import Values

__all__ = ["Fit", "Metrics", "Recipe", "TrainingError", "Values", "build", "fit", "measure"]


@dataclass(frozen=True)
class Fit:
    """What training leaves behind: the weights of the chosen epoch and what was measured.

    dev, train: retrieval metrics of the chosen epoch; train_last_epoch: of the last. Those of train rank its first
    sentences (at most EVAL_TRAIN_SENTENCES) among themselves. recalls: of each epoch, the R@1 on dev that it was chosen
    by. warnings: of seds.training.alarms, as text; counts: how often each occurred. hours: of training, summed over all
    interruptions.
    """

    epoch: int
    state: dict[str, Tensor]
    dev: Metrics
    train: Metrics
    train_last_epoch: Metrics
    recalls: list[float]
    warnings: list[str]
    counts: dict[str, int]
    hours: float


def build(train: Split, settings: Train, profile: TrainProfile, seed: int, device: str) -> SEDS:
    """A model ready to train: initialised from `seed`, CLIP weights in the towers where the profile names some.

    Raises ConfigError when a model of one stream is asked for what needs two.
    """
    model = SEDS(profile.model, settings.numerics)
    check_streams(model.streams, settings.losses)
    model.recompute = profile.checkpointing
    initialise(model, torch.Generator().manual_seed(seed))
    if profile.clip is not None:
        load_clip(model, profile.clip)
    if profile.signbert is not None:
        print(load_signbert(model, Path(profile.signbert), profile.signbert_allow))
    if profile.standardise_rgb and "rgb" in model.streams:
        mean, deviation = rgb_statistics(train)
        model.rgb_mean.copy_(torch.from_numpy(mean))
        model.rgb_std.copy_(torch.from_numpy(deviation))
    if profile.compile:
        model.compile_blocks()
    return model.to(device)


def rgb_statistics(split: Split) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each RGB feature over all windows of a split, float32 [features]."""
    windows = sum(len(video.rgb) for video in split.videos)
    mean = sum(video.rgb.sum(axis=0, dtype=np.float64) for video in split.videos) / windows
    spread = sum(np.square(video.rgb - mean).sum(axis=0) for video in split.videos) / windows
    # A feature that never changes (a dead unit) stays as it is rather than being blown up.
    deviation = np.where(spread > 0, np.sqrt(spread), 1.0)
    return mean.astype(np.float32), deviation.astype(np.float32)


def fit(
    model: SEDS,
    train: Split,
    dev: Split,
    recipe: Recipe,
    log: Callable[[Values], None],
    keeper: Keeper | None = None,
) -> Fit:
    """Train for the epochs of the recipe's profile; after each, measure on dev and `log` the values.

    The epoch with the best R@1 of the main stream, averaged over both directions, is kept; of equals the one with the
    lower mean rank. keeper: keeps the run while it lasts, so that one that was ended at any step, called again alike,
    has the same outcome; epochs measured before are logged again.
    Raises TrainingError when a loss or gradient is no longer a number.

    In several processes (seds.model.distributed) all are called alike and share the rows of the same batches. Each
    measures on dev, as it would only wait for another that did, and all return the same; logging and saving are for
    one.
    """
    profile = recipe.profile
    check_shares(len(train.sentence_ids), profile.batch, distributed.world_size())
    loop = Loop(model, train, dev, recipe, keeper)
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
                state.keep_weights()
            if keeper is not None:
                keeper.look(state)
            log(values)
            best = state.history[best_epoch(state.history, main) - 1]
            recall, highest = (ranks.mean_recall(epoch["dev"][main]) for epoch in (values, best))
            bar.set_postfix_str(f"loss {values['loss']['total']:.2f}, dev R@1 {recall:.1f}, best {highest:.1f}")
    if keeper is not None:
        keeper.finish(state)
    chosen = best_epoch(state.history, main)
    sample = train.subset(EVAL_TRAIN_SENTENCES)
    train_last_epoch = measure(model, sample)
    model.load_state_dict(state.best)
    return Fit(
        epoch=chosen,
        state=state.best,
        dev=state.history[chosen - 1]["dev"],
        train=measure(model, sample),
        train_last_epoch=train_last_epoch,
        recalls=[ranks.mean_recall(epoch["dev"][main]) for epoch in state.history],
        warnings=loop.alarms.texts(),
        counts=loop.alarms.counts(),
        hours=state.seconds / 3600,
    )


def best_epoch(history: Sequence[Values], stream: str) -> int:
    """The epoch, from 1, of the highest R@1 on dev, averaged over both directions; of equals the one of the lowest mean
    rank, of these the first.
    """
    metrics = [values["dev"][stream] for values in history]
    scores = [(ranks.mean_recall(own), -ranks.mean_rank(own)) for own in metrics]
    return scores.index(max(scores)) + 1


def check_shares(sentences: int, batch: int, processes: int) -> None:
    """Raises TrainingError when a batch of an epoch has fewer sentences than there are processes to share them."""
    last = sentences % batch
    smallest = last if last >= 2 or sentences < batch else batch  # a last one of one sentence is left out
    if smallest < processes:
        raise TrainingError(
            f"{sentences} sentences in batches of {batch} leave a batch of {smallest} to {processes} processes; "
            f"change `batch` of the profile (params.yaml), or start at most {smallest} processes"
        )
