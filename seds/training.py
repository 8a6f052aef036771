"""Training: the published recipe (SPEC 9), with the epoch chosen on dev."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR
from tqdm import tqdm

from seds import distributed, inference, optim, retrieval
from seds.config import Train, TrainProfile
from seds.data import Split
from seds.devices import autocast
from seds.initialisation import initialise, load_clip
from seds.losses import check_streams
from seds.model import SEDS
from seds.release import load_signbert

Metrics = dict[str, dict[str, dict[str, float]]]  # {stream: {direction: {metric: value}}}
Values = Mapping[str, Any]  # nested metrics by name
LEARNT_SENTENCES = 1000  # of the training split, ranked among themselves to see how well it is learnt


class TrainingError(RuntimeError):
    """Training that cannot start or go on; the message says why and what to change."""


@dataclass(frozen=True)
class Fit:
    """What training leaves behind: the weights of the chosen epoch and the metrics of both ends.

    `learnt` and `learnt_last` rank the training sentences (at most LEARNT_SENTENCES) among themselves, with the weights
    of the chosen and of the last epoch.
    """

    epoch: int
    state: dict[str, Tensor]
    dev: Metrics
    learnt: Metrics
    learnt_last: Metrics


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
    settings: Train,
    profile: TrainProfile,
    lr: float,
    seed: int,
    log: Callable[[Values], None],
) -> Fit:
    """Train for `profile.epochs`; after each, measure on dev and `log` the values.

    The epoch with the best R@1 of the main stream, averaged over both directions, is kept; of equals the one with the
    lower mean rank. lr: peak learning rate of pose encoder and fusion. Raises TrainingError when the loss is no longer
    a number.

    In several processes (seds.distributed) all are called alike and share the rows of the same batches. Each measures
    on dev, as it would only wait for another that did, and all return the same; logging and saving are for one.
    """
    check_shares(len(train.sentence_ids), profile.batch, distributed.world_size())
    generator = np.random.default_rng(seed)
    steps = train.steps(profile.batch)
    total_steps = steps * profile.epochs
    groups = optim.parameter_groups(
        model.clip_parameters(), model.other_parameters(), lr, profile.lr_clip, settings.weight_decay
    )
    optimiser = optim.BertAdam(groups, clip_norm=settings.clip_norm)
    schedule = LambdaLR(optimiser, lambda step: optim.warmup_cosine(step, total_steps, settings.warmup))
    device = model.logit_scale.device
    network: nn.Module = model
    if distributed.world_size() > 1:  # batch statistics are the same everywhere, without a broadcast
        network = DistributedDataParallel(model, forward_sync_buffers=False, gradient_as_bucket_view=True)
    best: tuple[float, float] = (-1.0, 0.0)
    chosen_epoch, chosen_state, chosen_dev = 0, {}, {}
    silent = distributed.rank() > 0
    with tqdm(total=total_steps, unit="step", desc="train", mininterval=1.0, disable=silent) as bar:
        for epoch in range(1, profile.epochs + 1):
            model.train()
            totals: dict[str, float] = {}
            for _, batch in train.training_batches(profile.batch, settings.swap, generator):
                own = batch.rows(distributed.share(len(batch.frames))).to(device)
                with autocast(device, profile.precision):
                    parts = network(own, settings.losses, profile.micro_batch)
                if not torch.isfinite(parts["total"]):
                    raise TrainingError(
                        f"the loss became {parts['total'].item()} in epoch {epoch}; "
                        "try a lower learning rate: dvc exp run -S lr=1e-4"
                    )
                optimiser.zero_grad()
                parts["total"].backward()
                nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
                optimiser.step()
                schedule.step()
                model.clamp_logit_scale()
                for part, value in parts.items():
                    totals[part] = totals.get(part, 0.0) + value.item() / steps
                bar.update()
            metrics = measure(model, dev)
            log(
                {
                    "loss": totals,
                    "lr": schedule.get_last_lr()[2],
                    "scale": model.logit_scale.exp().item(),
                    "dev": metrics,
                }
            )
            main = metrics[model.streams[0]]
            score = (retrieval.mean_recall(main), -retrieval.mean_rank(main))
            if score > best:
                best, chosen_epoch, chosen_dev = score, epoch, metrics
                chosen_state = {name: tensor.detach().cpu().clone() for name, tensor in model.state_dict().items()}
            bar.set_postfix_str(f"loss {totals['total']:.2f}, dev R@1 {score[0]:.1f}, best {best[0]:.1f}")
    sample = train.subset(LEARNT_SENTENCES)
    learnt_last = measure(model, sample)
    model.load_state_dict(chosen_state)
    return Fit(chosen_epoch, chosen_state, chosen_dev, measure(model, sample), learnt_last)


def check_shares(sentences: int, batch: int, processes: int) -> None:
    """Raises TrainingError when a batch of an epoch has fewer sentences than there are processes to share them."""
    last = sentences % batch
    smallest = last if last >= 2 or sentences < batch else batch  # a last one of one sentence is left out
    if smallest < processes:
        raise TrainingError(
            f"{sentences} sentences in batches of {batch} leave a batch of {smallest} to {processes} processes; "
            f"change `batch` of the profile (params.yaml), or start at most {smallest} processes"
        )


def measure(model: SEDS, split: Split) -> Metrics:
    """Retrieval metrics of every stream on a split."""
    return retrieval.evaluate(inference.score(model, split), split.sentence_of)[0]


def flat(values: Values, prefix: str = "") -> Iterator[tuple[str, float]]:
    """("dev/fusion/t2v/R@1", 50.0), ... of nested metrics."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", value
