"""The pretraining: a pose encoder learns to restore joints that are hidden from it.

Every video once an epoch. The last epoch is kept: what is measured on dev chooses nothing. Random numbers are drawn
from (seed, epoch) and (seed, epoch, step), so resuming needs no generator's state.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from seds.config import PretrainProfile
from seds.data.hands import CROP
from seds.errors import SedsError
from seds.precision import autocast
from seds.pretrain.batches import PARTS, Batch, Videos, make_batch
from seds.pretrain.network import GROUPS, Restorer, distances
from seds.resume.checkpointer import Checkpointer
from seds.resume.network_state import NetworkState
from seds.system.prefetch import prefetch
from seds.training.optim import warmup_cosine

AHEAD = 2  # batches that are made while one is computed
CLIP_NORM = 1.0  # largest gradient norm
BETAS = (0.9, 0.98)


class PretrainError(SedsError, ValueError):
    """A pretraining that cannot go on; the message says why and what to change."""


def fit(
    network: Restorer,
    train: Videos,
    dev: Videos,
    profile: PretrainProfile,
    checkpointer: Checkpointer | None = None,
) -> list[dict[str, Any]]:
    """Train for the profile's epochs. Returns what each measured: "train" and "dev", losses by group; dev {} if empty.

    network: on the device to train on. checkpointer: saves the state, so that a run interrupted at any step gives the
    same result when called again with the same arguments. Raises PretrainError when a loss is NaN or infinite;
    SystemExit after a signal to stop.
    """
    steps = math.ceil(len(train) / profile.batch)
    total = steps * profile.epochs
    optimiser = torch.optim.AdamW(network.parameters(), profile.lr, BETAS, weight_decay=profile.weight_decay)
    state = NetworkState(network, optimiser)
    if checkpointer is not None:
        checkpointer.resume(state)
    with tqdm(total=total, initial=state.step, unit="step", desc="pretrain", mininterval=1.0) as bar:
        while len(state.history) < profile.epochs:
            network.train()
            epoch = len(state.history)
            batches = _training_batches(train, network.encoder.window, profile, epoch, state.step - epoch * steps)
            with closing(_ahead(batches)) as made:
                for batch in made:
                    _step(state, batch.to(state.device), profile, total)
                    bar.update()
                    if checkpointer is not None:
                        checkpointer.maybe_save(state)
            losses = {group: value / steps for group, value in state.losses.items()}
            state.history.append({"train": losses, "dev": evaluate(network, dev, profile)})
            state.losses = {}
            bar.set_postfix_str(", ".join(f"{group} {loss:.4f}" for group, loss in losses.items()))
            if checkpointer is not None:
                checkpointer.maybe_save(state)
    if checkpointer is not None:
        checkpointer.finish(state)
    return state.history


@torch.inference_mode()
def evaluate(network: Restorer, videos: Videos, profile: PretrainProfile) -> dict[str, float]:
    """The losses of some videos, of which the same is hidden every time; {} for none."""
    network.eval()
    device = next(network.parameters()).device
    return _mean_losses(
        network.losses(batch.to(device)) for batch in _fixed_batches(videos, network.encoder.window, profile)
    )


def mean_pose_losses(train: Videos, videos: Videos, window: int, profile: PretrainProfile) -> dict[str, float]:
    """What `evaluate` would say of a network that always answers with the mean joints of the training videos.

    An encoder with a loss near it has learnt nothing.
    """
    sums = {part: torch.zeros(1) for part in PARTS}
    counts = {part: torch.zeros(1) for part in PARTS}
    for batch in _fixed_batches(train, window, profile):
        for part in PARTS:
            present = batch.joints[part].any(dim=2, keepdim=True)
            sums[part] = sums[part] + batch.joints[part].sum(dim=0)
            counts[part] = counts[part] + present.sum(dim=0)
    mean = {part: sums[part] / counts[part].clamp(min=1) / CROP - 0.5 for part in PARTS}
    return _mean_losses(distances(mean, batch) for batch in _fixed_batches(videos, window, profile))


def _mean_losses(batches: Iterator[dict[str, Tensor]]) -> dict[str, float]:
    found = [[losses[group].item() for group in GROUPS] for losses in batches]
    return dict(zip(GROUPS, np.mean(found, axis=0).tolist(), strict=True)) if found else {}


def _training_batches(train: Videos, window: int, profile: PretrainProfile, epoch: int, done: int) -> Iterator[Batch]:
    """The batches of an epoch that are left. done: its steps that are done."""
    order = np.random.default_rng((profile.seed, epoch)).permutation(len(train))
    for step in range(done, math.ceil(len(train) / profile.batch)):
        videos = [train[i] for i in order[step * profile.batch : (step + 1) * profile.batch]]
        yield make_batch(videos, window, profile, np.random.default_rng((profile.seed, epoch, step)))


def _fixed_batches(videos: Videos, window: int, profile: PretrainProfile) -> Iterator[Batch]:
    """All videos once, the same is hidden at every call."""
    for first in range(0, len(videos), profile.batch):
        part = [videos[i] for i in range(first, min(first + profile.batch, len(videos)))]
        yield make_batch(part, window, profile, np.random.default_rng((profile.seed, first)))


def _ahead(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """The same, a few of them made while one is computed."""
    yield from prefetch(batches, AHEAD)


def _step(state: NetworkState, batch: Batch, profile: PretrainProfile, total: int) -> None:
    random = np.random.SeedSequence((profile.seed, state.step))
    torch.manual_seed(int(random.generate_state(1, np.uint64)[0]))  # for dropout, which takes no generator
    for group in state.optimiser.param_groups:
        group["lr"] = profile.lr * warmup_cosine(state.step, total, profile.warmup)
    network = state.network
    assert isinstance(network, Restorer)
    with autocast(state.device, profile.precision):
        losses = network.losses(batch)
    state.optimiser.zero_grad()
    torch.stack([*losses.values()]).sum().backward()
    values = dict(zip(losses, torch.stack([*losses.values()]).tolist(), strict=True))
    if not all(map(math.isfinite, values.values())):
        raise PretrainError(
            f"pretrain: loss {values} in step {state.step + 1}; a lower lr of the section pretrain may help"
        )
    torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
    state.optimiser.step()
    for name, value in values.items():
        state.losses[name] = state.losses.get(name, 0.0) + value
    state.step += 1
