"""The encoder's training: an Inception-I3D learns to tell apart the signs of the training split.

One window around each sign an epoch, jittered in time, place and colour. The last epoch is kept, and dev is measured
after it, so that what is learnt depends on the signs of the training split alone. Random numbers are drawn from (seed,
epoch) and (seed, step), so resuming needs no generator's state. On a CPU the result depends on the number of threads,
as sums are then rounded differently.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from seds import tables
from seds.adapt.heads import SignHeads, build_classifier
from seds.adapt.signs import Labels
from seds.adapt.windows import Batch, Draw, Windows
from seds.config import AdaptProfile, RgbProfile
from seds.errors import SedsError
from seds.precision import autocast
from seds.resume.checkpointer import Checkpointer
from seds.resume.network_state import NetworkState
from seds.rgb.i3d import InceptionI3D
from seds.rgb.weights import initialise, load_checkpoint, read_classifier
from seds.system.prefetch import prefetch
from seds.weightfiles import Checkpoint

AHEAD = 3  # batches that are prepared while one is computed
EVALUATED = 8  # windows of a batch of dev
WARMUP, FIRST, LAST = 0.3, 1 / 25, 1e-5  # of the one cycle: share of the steps that rise; factors on lr at both ends
BETAS = (0.9, 0.999)
HEAD_DEVIATION = 0.01  # of the heads' initial weights


class AdaptError(SedsError, ValueError):
    """A training that cannot go on; the message says why and what to change."""


def build(
    labels: Labels,
    profile: AdaptProfile,
    rgb: RgbProfile,
    checkpoint: Checkpoint | None,
    device: str,
    keep_classifier: bool = False,
) -> nn.Module:
    """The recognizer, ready to train. checkpoint: what the encoder starts from; None = random, from the profile's seed.

    keep_classifier: the head of the hands starts from the checkpoint's, whose classes are `labels`. Raises
    WeightFileError for a checkpoint that does not fit.
    """
    recognizer = build_classifier(rgb.width, labels, profile.dropout, profile.nonmanual_weight)
    network = cast(InceptionI3D, recognizer.backbone)
    if checkpoint is None:
        initialise(network, profile.seed)
    else:
        load_checkpoint(network, checkpoint.path)
    generator = torch.Generator().manual_seed(profile.seed)
    with torch.no_grad():
        for head in heads_of(recognizer).values():
            head.fc_cls.weight.copy_(torch.randn(head.fc_cls.weight.shape, generator=generator) * HEAD_DEVIATION)
            head.fc_cls.bias.zero_()
        if keep_classifier and checkpoint is not None:
            weight, bias = read_classifier(checkpoint.path)
            head = heads_of(recognizer)[tables.MANUAL]
            head.fc_cls.weight.copy_(weight)
            head.fc_cls.bias.copy_(bias)
    return recognizer.to(device).to(memory_format=torch.channels_last_3d)


def heads_of(recognizer: nn.Module) -> dict[str, Any]:
    """The I3DHead of each tier."""
    return dict(cast(SignHeads, recognizer.cls_head).heads.items())


def fit(
    recognizer: nn.Module,
    train: Windows,
    profile: AdaptProfile,
    workers: int,
    checkpointer: Checkpointer | None = None,
) -> list[dict[str, float]]:
    """Train for the profile's epochs. Returns the mean loss of each, by tier.

    workers: threads that prepare windows. checkpointer: saves the state, so that a run interrupted at any step gives
    the same result when called again with the same arguments. Raises AdaptError when a loss is NaN or infinite;
    SystemExit after a signal to stop.
    """
    steps = max(1, len(train) // profile.batch)
    optimiser = _optimiser(recognizer, profile)
    state = NetworkState(recognizer, optimiser)
    if checkpointer is not None:
        checkpointer.resume(state)
    with tqdm(total=steps * profile.epochs, initial=state.step, unit="step", desc="adapt", mininterval=1.0) as bar:
        while len(state.history) < profile.epochs:
            recognizer.train()
            plan = _plan(train, profile, len(state.history), steps, state.step)
            with closing(ahead(train.training_batches(plan, workers))) as batches:
                for batch in batches:
                    _step(state, batch, profile, steps * profile.epochs)
                    bar.update()
                    if checkpointer is not None:
                        checkpointer.maybe_save(state)
            losses = {tier: total / steps for tier, total in state.losses.items()}
            state.history.append(losses)
            state.losses = {}
            bar.set_postfix_str(", ".join(f"{tier} loss {loss:.2f}" for tier, loss in losses.items()))
            if checkpointer is not None:
                checkpointer.maybe_save(state)
    if checkpointer is not None:
        checkpointer.finish(state)
    return state.history


@torch.inference_mode()
def evaluate(recognizer: nn.Module, dev: Windows, profile: AdaptProfile, workers: int) -> dict[str, dict[str, float]]:
    """How well the signs of a split are told apart, by tier: `windows`, `accuracy` and `commonest` in %.

    Of the hands, a window is right if its sign has the highest score; signs that training does not have are left out.
    Of face and head, if each marker that it shows (more than half of it, or of the window) and no other has a score
    above 0.5. `commonest` is the accuracy of always giving the answer that is right most often. {} for a split
    without signs.
    """
    if not len(dev):
        return {}
    recognizer.eval()
    device = next(recognizer.parameters()).device
    right: dict[str, list[bool]] = {}
    answers: dict[str, list[tuple[int, ...]]] = {}
    with closing(ahead(dev.middle_batches(EVALUATED, workers))) as batches:
        for batch in batches:
            on_device = batch.to(device)
            with autocast(device, profile.precision):
                last_map = recognizer(on_device.inputs[:, None], mode="tensor")
            for tier, scores in cast(SignHeads, recognizer.cls_head)(last_map).items():
                if tier == tables.MANUAL:
                    known = batch.labels >= 0
                    found, expected = scores.argmax(dim=1).cpu()[known, None], batch.labels[known, None]
                else:
                    found, expected = (scores > 0).cpu(), batch.markers > 0.5
                right.setdefault(tier, []).extend((found == expected).all(dim=1).tolist())
                answers.setdefault(tier, []).extend(map(tuple, expected.tolist()))
    return {
        tier: {
            "windows": len(hits),
            "accuracy": 100 * float(np.mean(hits)),
            "commonest": 100 * max(map(answers[tier].count, set(answers[tier]))) / len(hits),
        }
        for tier, hits in right.items()
        if hits
    }


def ahead(batches: Iterator[Batch]) -> Generator[Batch, None, None]:
    """The same, a few of them prepared while one is computed."""
    yield from prefetch(batches, AHEAD)


def _plan(
    train: Windows, profile: AdaptProfile, epoch: int, steps: int, done: int
) -> Iterator[tuple[Sequence[int], Sequence[Draw]]]:
    """The signs of each step of an epoch that is left, and how their windows are changed. done: steps of the run."""
    order = np.random.default_rng((profile.seed, epoch)).permutation(len(train))
    for step in range(done - epoch * steps, steps):
        indices = order[step * profile.batch : (step + 1) * profile.batch].tolist()
        generator = np.random.default_rng((profile.seed, epoch, step))
        yield indices, [train.draw(profile, index, generator) for index in indices]


def _step(state: NetworkState, batch: Batch, profile: AdaptProfile, total: int) -> None:
    device = state.device
    on_device = batch.to(device)
    random = np.random.SeedSequence((profile.seed, state.step))
    torch.manual_seed(int(random.generate_state(1, np.uint64)[0]))  # for dropout, which takes no generator
    for group in state.optimiser.param_groups:
        group["lr"] = profile.lr * _factor(state.step, total, profile)
    with autocast(device, profile.precision):
        losses: dict[str, Tensor] = state.network(on_device.inputs[:, None], on_device, mode="loss")
    state.optimiser.zero_grad()
    torch.stack([*losses.values()]).sum().backward()
    values = dict(zip(losses, torch.stack([*losses.values()]).tolist(), strict=True))
    if not all(map(math.isfinite, values.values())):
        raise AdaptError(f"adapt: loss {values} in step {state.step + 1}; a lower lr of the section adapt may help")
    state.optimiser.step()
    for tier, value in values.items():
        state.losses[tier] = state.losses.get(tier, 0.0) + value
    state.step += 1


def _optimiser(recognizer: nn.Module, profile: AdaptProfile) -> torch.optim.Optimizer:
    parameters = recognizer.parameters()
    if profile.optimiser == "sgd":
        return torch.optim.SGD(
            parameters, profile.lr, momentum=profile.momentum, weight_decay=profile.weight_decay, foreach=True
        )
    return torch.optim.AdamW(parameters, profile.lr, BETAS, weight_decay=profile.weight_decay, fused=True)


def _factor(step: int, steps: int, profile: AdaptProfile) -> float:
    """On the learning rate in step `step` (from 0) of `steps`: cosines from FIRST to 1 to LAST, or 1 throughout."""
    if profile.schedule == "constant":
        return 1.0
    peak = WARMUP * steps
    x = step / peak if step < peak else (step - peak) / max(1.0, steps - 1 - peak)
    begin, end = (FIRST, 1.0) if step < peak else (1.0, LAST)
    return begin + (end - begin) * (1 - math.cos(math.pi * min(1.0, x))) / 2
