"""The state of a training run after a step: everything needed to resume as if it had never been interrupted.

That is the weights, the optimiser's moments, the schedule, the weights of the best epoch, and what was measured. No
state of a random number generator is saved: the numbers of an epoch are drawn from (seed, epoch), those of a step from
(seed, step, process), see seds.training.loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from seds.model import distributed
from seds.model.seds import SEDS
from seds.resume.snapshots import Snapshot

FOR_TRAINING = "heads."  # names of SEDS.heads begin so
Values = Mapping[str, Any]  # nested metrics by name


@dataclass
class EpochSoFar:
    """Totals over the finished batches of an epoch: losses by part, seconds, videos."""

    losses: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    videos: int = 0


@dataclass
class RunState:
    """The state of a run, alike in all processes.

    norms: of the gradient at each step, before clipping. history: the values of each finished epoch, in order. best:
    the weights of the best of them, on the CPU, {} before the first. warnings: what seds.training.alarms has recorded,
    by kind. seconds: of training and evaluation, summed over all interruptions.
    """

    model: SEDS
    optimiser: torch.optim.Optimizer
    schedule: LambdaLR
    seconds: float = 0.0
    norms: list[float] = field(default_factory=list)
    epoch: EpochSoFar = field(default_factory=EpochSoFar)
    history: list[Values] = field(default_factory=list)
    warnings: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Optimiser steps done."""
        return len(self.norms)

    @property
    def device(self) -> torch.device:
        return self.model.logit_scale.device

    def add_step(self, losses: Mapping[str, float], norm: float) -> None:
        """Record a step: its losses by part and its gradient norm."""
        for part, value in losses.items():
            self.epoch.losses[part] = self.epoch.losses.get(part, 0.0) + value
        self.norms.append(norm)

    def add_time(self, seconds: float, videos: int) -> None:
        """Record the time that training on so many videos took."""
        self.epoch.seconds += seconds
        self.epoch.videos += videos
        self.seconds += seconds

    def save_best(self) -> None:
        """Copy the current weights, which are the best so far, without the parts that are for training alone."""
        self.best = {
            name: tensor.detach().cpu().clone()
            for name, tensor in self.model.state_dict().items()
            if not name.startswith(FOR_TRAINING)
        }

    def values(self) -> dict[str, Any]:
        """The part of the state that JSON represents exactly."""
        return {
            "seconds": self.seconds,
            "norms": self.norms,
            "epoch": vars(self.epoch),
            "history": self.history,
            "warnings": self.warnings,
            "schedule": self.schedule.state_dict(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The rest, by name: the tensors themselves, which training goes on to change, not copies."""
        moments = self.optimiser.state_dict()["state"]
        return (
            {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
            | {f"optimiser/{i}/{name}": tensor for i, named in moments.items() for name, tensor in named.items()}
            | {f"best/{name}": tensor for name, tensor in self.best.items()}
        )

    def restore(self, snapshot: Snapshot | None) -> bool:
        """Take over the snapshot that the first process has read, in every process; False, unchanged, for None."""
        values = distributed.broadcast(snapshot.values if snapshot else None)
        if values is None:
            return False
        self.seconds, self.norms = values["seconds"], values["norms"]
        self.epoch = EpochSoFar(**values["epoch"])
        self.history, self.warnings = values["history"], values["warnings"]
        self.schedule.load_state_dict(values["schedule"])
        for group, lr in zip(self.optimiser.param_groups, self.schedule.get_last_lr(), strict=True):
            group["lr"] = lr
        if self.history:
            self.save_best()  # allocates the tensors that the snapshot's are copied into
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                if snapshot:
                    tensor.copy_(snapshot.tensors[name])
                distributed.broadcast_(tensor, self.device)
        return True
