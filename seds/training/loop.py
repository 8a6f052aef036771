"""The training loop: batches to optimiser steps, and what is measured after each epoch."""

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

from seds.config import Augment, ConfigError, Params, Train, TrainProfile
from seds.data.augmentation import Changes
from seds.data.batches import Batch, feed
from seds.data.split import Split
from seds.model import distributed
from seds.model.seds import SEDS
from seds.precision import autocast
from seds.resume.checkpointer import Checkpointer
from seds.retrieval import inference, ranks, stream_weight
from seds.retrieval.ranks import Metrics
from seds.training import optim
from seds.training.alarms import Alarms, not_finite
from seds.training.extras import ExtrasOfTraining
from seds.training.run_state import EpochSoFar, RunState, Values
from seds.training.signs import Signs

EVAL_TRAIN_SENTENCES = 1000  # of the training split, ranked among themselves to see how well the model fits it


@dataclass(frozen=True)
class Recipe:
    """How a model is trained. lr: peak learning rate of pose encoder and fusion; that of the towers is profile.lr_clip
    times it. signs: the single signs of the training videos, where their loss is wanted. clips: ids of the videos that
    show a single sign, where phrases are made of them.
    """

    settings: Train
    profile: TrainProfile
    lr: float
    seed: int
    signs: Signs | None = None
    clips: frozenset[str] = frozenset()


def recipes_of(params: Params, dataset: str) -> list[Recipe]:
    """One recipe for each seed that params.yaml names, the main model's first."""
    profile = params.training(dataset)
    lr = profile.lr if params.lr is None else params.lr
    return [Recipe(params.train, profile, lr, seed) for seed in params.train.seeds or (params.seed,)]


class Loop:
    """One run: its state, and the operations that advance it. All processes call it alike.

    Random numbers are drawn for each epoch from (seed, epoch) and for each step from (seed, step, process), so resuming
    needs no generator's state.
    """

    def __init__(
        self, model: SEDS, train: Split, dev: Split, recipe: Recipe, checkpointer: Checkpointer | None
    ) -> None:
        """Resumes from the checkpointer's newest state, if any. Arguments as for seds.training.fitting.fit."""
        settings, profile = recipe.settings, recipe.profile
        self.train, self.dev, self.settings, self.profile, self.seed = train, dev, settings, profile, recipe.seed
        self.model, self.device, self.checkpointer = model, model.logit_scale.device, checkpointer
        self.steps = train.steps(profile.batch)
        self.total_steps = self.steps * profile.epochs
        groups = optim.parameter_groups(
            model.clip_parameters(), model.other_parameters(), recipe.lr, profile.lr_clip, settings.weight_decay
        )
        self.optimiser = optim.BertAdam(groups, clip_norm=settings.clip_norm)
        self.schedule = LambdaLR(
            self.optimiser, lambda step: optim.warmup_cosine(step, self.total_steps, settings.warmup)
        )
        self.extras = ExtrasOfTraining(train, settings.ideas, recipe.seed, recipe.signs)
        self.changes = changes_of(train, settings, profile.augment, recipe.clips)
        self.weighs_streams = weighs_streams(model, settings)
        self.network: nn.Module = model
        if distributed.world_size() > 1:  # batch statistics are the same everywhere, without a broadcast
            self.network = DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
        self.state = RunState(model, self.optimiser, self.schedule)
        if checkpointer is not None:
            checkpointer.resume(self.state)
        self.alarms = Alarms(train, dev, settings.losses, self.state.warnings)

    @property
    def epoch(self) -> int:
        """The current one, from 1."""
        return len(self.state.history) + 1

    def run_epoch(self, bar: tqdm) -> None:
        """Train on the batches of this epoch that are not done yet. Raises TrainingError; SystemExit after a signal to
        stop.
        """
        self.model.train()
        generator = np.random.default_rng((self.seed, self.epoch))
        done = self.state.step - self.steps * len(self.state.history)
        batches = self.train.training_batches(
            self.profile.batch, self.settings.swap, generator, done, distributed.local_rows, self.changes
        )
        clock = time.perf_counter()
        with closing(feed(batches, self.device)) as batches_on_device:
            for indices, batch in batches_on_device:
                self.step(indices, batch)
                self.state.add_time(time.perf_counter() - clock, videos=len(indices))
                bar.update()
                if self.checkpointer is not None:
                    self.checkpointer.maybe_save(self.state)
                clock = time.perf_counter()

    def step(self, indices: np.ndarray, batch: Batch) -> None:
        """One optimiser step. indices: int64 [B], the videos of the whole batch; batch: this process's rows of it, on
        the device. Raises TrainingError.
        """
        self.alarms.check_batch(indices, self.epoch)
        random = np.random.SeedSequence((self.seed, self.state.step, distributed.rank()))
        torch.manual_seed(int(random.generate_state(1, np.uint64)[0]))  # for dropout, which takes no generator
        with autocast(self.device, self.profile.precision):
            extras = self.extras.of_batch(indices, self.state.step, self.device)
            parts = self.network(batch, self.settings.losses, self.settings.ideas, extras)
        self.optimiser.zero_grad()
        parts["total"].backward()
        norm = nn.utils.get_total_norm([p.grad for p in self.model.parameters() if p.grad is not None])
        *values, length = torch.stack([*parts.values(), norm]).tolist()  # waits for the GPU once
        losses = dict(zip(parts, values, strict=True))
        if not math.isfinite(losses["total"] + length):
            where = {
                "seed": self.seed,
                "epoch": self.epoch,
                "step": self.state.step + 1,
                "lr": self.schedule.get_last_lr(),
            }
            raise not_finite(self.model, self.train, indices, losses, length, where, self._folder())
        nn.utils.clip_grads_with_norm_(self.model.parameters(), self.settings.clip_norm, norm)
        self.optimiser.step()
        self.schedule.step()
        self.model.clamp_logit_scale()
        self.alarms.check_gradient(length, self.state.norms, self.epoch)
        self.state.add_step(losses, length)

    def end_epoch(self) -> Values:
        """Evaluate on dev, in some epochs on training sentences too, and begin the next one. Returns what to log.

        Where the streams are weighed, the model gets the weight that is best on dev. Training goes on as if it had not.
        """
        clock = time.perf_counter()
        if self.weighs_streams:
            streams, by_weight = inference.score_weights(self.model, self.dev, stream_weight.WEIGHTS)
            chosen = stream_weight.choose(by_weight, self.dev.sentence_of)
            self.model.pose_weight.fill_(chosen)
            similarities = {"fusion": by_weight[chosen], **streams}
        else:
            similarities = inference.score(self.model, self.dev)
        scale = self.model.logit_scale.exp().item()
        self.alarms.check_similarities(similarities, scale, self.epoch)
        norms, lrs = self.state.norms[-self.steps :], self.schedule.get_last_lr()
        so_far = self.state.epoch
        values = {
            "loss": {part: total / self.steps for part, total in so_far.losses.items()},
            "lr": {"towers": lrs[0], "encoder_and_fusion": lrs[2]},  # biases have the rate of their group
            "gradient_norm": {"mean": float(np.mean(norms)), "max": max(norms)},
            "scale": scale,
            "dev": ranks.evaluate(similarities, self.dev.sentence_of)[0],
            "machine": {"samples_per_s": so_far.videos / so_far.seconds, "peak_memory_gb": peak_memory(self.device)},
        }
        if self.weighs_streams:
            values["pose_weight"] = chosen
        every = self.settings.eval_train_every
        if every is not None and self.epoch % every == 0:
            values["train"] = retrieval_metrics(self.model, self.train.subset(EVAL_TRAIN_SENTENCES))
        self.state.history.append(values)
        self.state.epoch = EpochSoFar()
        self.state.seconds += time.perf_counter() - clock
        return values

    def _folder(self) -> Path | None:
        return None if self.checkpointer is None else self.checkpointer.folder


def changes_of(train: Split, settings: Train, augment: Augment, clips: frozenset[str]) -> Changes | None:
    """What happens to the videos of `train`. clips: ids of videos that show a single sign, training ones or not.

    Raises ConfigError where a loss needs the windows and texts that a video has by itself.
    """
    for idea in ("sign_weight", "substitutes_weight"):
        if getattr(settings.ideas, idea) and (augment.speed or augment.phrases):
            raise ConfigError(
                f"train.ideas.{idea} knows the windows and texts of videos as they are, and augment.speed and "
                "augment.phrases of the profile change them; set it to 0, or both of these (params.yaml)"
            )
    if not augment.on:
        return None
    return Changes(augment, np.flatnonzero([video_id in clips for video_id in train.video_ids]))


def weighs_streams(model: SEDS, settings: Train) -> bool:
    """Whether dev chooses how much pose counts in the fusion: for a model of both streams with default numerics."""
    return settings.stream_weights == "dev" and "fusion" in model.streams and model.numerics == "default"


def retrieval_metrics(model: SEDS, split: Split) -> Metrics:
    """Retrieval metrics of every stream on a split."""
    return ranks.evaluate(inference.score(model, split), split.sentence_of)[0]


def peak_memory(device: torch.device) -> float:
    """GB: on a GPU the most that tensors occupied, otherwise the most resident memory of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
