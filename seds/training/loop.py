"""The loop of training: batches to optimiser steps, and what an epoch of them measured."""

from __future__ import annotations

import math
import resource
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from seds.config import Train, TrainProfile
from seds.data.batches import Batch, feed
from seds.data.split import Split
from seds.model import distributed
from seds.model.seds import SEDS
from seds.precision import autocast
from seds.resume.checkpointer import Keeper
from seds.retrieval import inference, ranks
from seds.retrieval.ranks import Metrics
from seds.training import optim
from seds.training.alarms import Alarms, not_finite
from seds.training.run_state import EpochSoFar, RunState, Values

EVAL_TRAIN_SENTENCES = 1000  # of the training split, ranked among themselves to see how well the model fits it


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. lr: peak learning rate of pose encoder and fusion, of which the towers have a share."""

    settings: Train
    profile: TrainProfile
    lr: float
    seed: int


class Loop:
    """One run: its state, and the ways to take it further. All processes call it alike.

    What chance decides is drawn anew for each epoch from (seed, epoch) and for each step from (seed, step, process),
    so that a run that is taken up again needs to remember no generator.
    """

    def __init__(self, model: SEDS, train: Split, dev: Split, recipe: Recipe, keeper: Keeper | None) -> None:
        """Takes up the run where `keeper` has it. Arguments as of seds.training.fitting.fit."""
        settings, profile = recipe.settings, recipe.profile
        self.train, self.dev, self.settings, self.profile, self.seed = train, dev, settings, profile, recipe.seed
        self.model, self.device, self.keeper = model, model.logit_scale.device, keeper
        self.steps = train.steps(profile.batch)
        self.total_steps = self.steps * profile.epochs
        groups = optim.parameter_groups(
            model.clip_parameters(), model.other_parameters(), recipe.lr, profile.lr_clip, settings.weight_decay
        )
        self.optimiser = optim.BertAdam(groups, clip_norm=settings.clip_norm)
        self.schedule = LambdaLR(
            self.optimiser, lambda step: optim.warmup_cosine(step, self.total_steps, settings.warmup)
        )
        self.network: nn.Module = model
        if distributed.world_size() > 1:  # batch statistics are the same everywhere, without a broadcast
            self.network = DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
        self.state = RunState(model, self.optimiser, self.schedule)
        if keeper is not None:
            keeper.resume(self.state)
        tell = tqdm.write if distributed.rank() == 0 else lambda text: None
        self.alarms = Alarms(train, dev, settings.losses, self.state.found, tell)

    @property
    def epoch(self) -> int:
        """The one that goes on, from 1."""
        return len(self.state.history) + 1

    def run_epoch(self, bar: tqdm) -> None:
        """The batches of this epoch that are not done yet. Raises TrainingError, and SystemExit when told to stop."""
        self.model.train()
        generator = np.random.default_rng((self.seed, self.epoch))
        done = self.state.step - self.steps * len(self.state.history)
        batches = self.train.training_batches(
            self.profile.batch, self.settings.swap, generator, done, distributed.share
        )
        clock = time.perf_counter()
        with closing(feed(batches, self.device)) as own:
            for indices, batch in own:
                self.step(indices, batch)
                self.state.passed(time.perf_counter() - clock, videos=len(indices))
                bar.update()
                if self.keeper is not None:
                    self.keeper.look(self.state)
                clock = time.perf_counter()

    def step(self, indices: np.ndarray, batch: Batch) -> None:
        """One optimiser step. indices: int64 [B], the videos of the batch, of which this process has its share; batch:
        that share, on the device. Raises TrainingError.
        """
        self.alarms.batch(indices, self.epoch)
        random = np.random.SeedSequence((self.seed, self.state.step, distributed.rank()))
        torch.manual_seed(int(random.generate_state(1, np.uint64)[0]))  # of dropout: no module takes a generator
        with autocast(self.device, self.profile.precision):
            parts = self.network(batch, self.settings.losses, self.profile.micro_batch)
        self.optimiser.zero_grad()
        parts["total"].backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        *values, length = torch.stack([*parts.values(), norm]).tolist()  # a GPU is waited for once
        losses = dict(zip(parts, values, strict=True))
        if not math.isfinite(losses["total"] + length):
            place = {"seed": self.seed, "epoch": self.epoch, "step": self.state.step + 1}
            where = {**place, "lr": self.schedule.get_last_lr()}
            raise not_finite(self.model, self.train, indices, losses, length, where, self._folder())
        nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.clip_norm, norm)
        self.optimiser.step()
        self.schedule.step()
        self.model.clamp_logit_scale()
        self.alarms.gradient(length, self.state.norms, self.epoch)
        self.state.add(losses, length)

    def end_epoch(self) -> Values:
        """Measure on dev, in some epochs on training sentences, and begin the next. Returns what there is to log."""
        clock = time.perf_counter()
        similarities = inference.score(self.model, self.dev)
        scale = self.model.logit_scale.exp().item()
        self.alarms.similarities(similarities, scale, self.epoch)
        norms, lrs = self.state.norms[-self.steps :], self.schedule.get_last_lr()
        so_far = self.state.epoch
        values = {
            "loss": {part: summed / self.steps for part, summed in so_far.losses.items()},
            "lr": {"towers": lrs[0], "encoder_and_fusion": lrs[2]},  # their biases learn as they do
            "gradient_norm": {"mean": float(np.mean(norms)), "max": max(norms)},
            "scale": scale,
            "dev": ranks.evaluate(similarities, self.dev.sentence_of)[0],
            "machine": {"samples_per_s": so_far.videos / so_far.seconds, "peak_memory_gb": peak_memory(self.device)},
        }
        every = self.settings.eval_train_every
        if every is not None and self.epoch % every == 0:
            values["train"] = measure(self.model, self.train.subset(EVAL_TRAIN_SENTENCES))
        self.state.history.append(values)
        self.state.epoch = EpochSoFar()
        self.state.seconds += time.perf_counter() - clock
        return values

    def _folder(self) -> Path | None:
        return None if self.keeper is None else self.keeper.folder


def measure(model: SEDS, split: Split) -> Metrics:
    """Retrieval metrics of every stream on a split."""
    return ranks.evaluate(inference.score(model, split), split.sentence_of)[0]


def peak_memory(device: torch.device) -> float:
    """GB: of a GPU what tensors have held at most, else what this process has."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
