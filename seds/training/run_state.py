"""What a training run has become after a step: all that must be kept so that it can go on as if never interrupted.

That is the weights, the optimiser's moments, the schedule, the weights of the best epoch, and what was measured. Of
random numbers nothing is kept: those of an epoch are drawn from (seed, epoch), those of a step from (seed, step,
process), see seds.training.loop.
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

Values = Mapping[str, Any]  # nested metrics by name


@dataclass
class EpochSoFar:
    """Of the batches of an epoch that are done: summed losses by part, seconds, videos."""

    losses: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    videos: int = 0


@dataclass
class RunState:
    """The state of a run, alike in all processes.

    norms: of the gradient of each step, before clipping. history: what each epoch measured, in order. best: the weights
    of the best of them, on the CPU, {} before the first. found: what the alarms have to remember. seconds: in all,
    measuring included, whatever interrupted them.
    """

    model: SEDS
    optimiser: torch.optim.Optimizer
    schedule: LambdaLR
    seconds: float = 0.0
    norms: list[float] = field(default_factory=list)
    epoch: EpochSoFar = field(default_factory=EpochSoFar)
    history: list[Values] = field(default_factory=list)
    found: dict[str, Any] = field(default_factory=dict)
    best: dict[str, Tensor] = field(default_factory=dict)

    @property
    def step(self) -> int:
        """Optimiser steps that are done."""
        return len(self.norms)

    @property
    def device(self) -> torch.device:
        return self.model.logit_scale.device

    def add(self, losses: Mapping[str, float], norm: float) -> None:
        """A step was made."""
        for part, value in losses.items():
            self.epoch.losses[part] = self.epoch.losses.get(part, 0.0) + value
        self.norms.append(norm)

    def passed(self, seconds: float, videos: int) -> None:
        """Time that training has taken for so many videos."""
        self.epoch.seconds += seconds
        self.epoch.videos += videos
        self.seconds += seconds

    def keep_weights(self) -> None:
        """The present weights are the best."""
        self.best = {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def values(self) -> dict[str, Any]:
        """What of it JSON can say, exactly."""
        return {
            "seconds": self.seconds,
            "norms": self.norms,
            "epoch": vars(self.epoch),
            "history": self.history,
            "found": self.found,
            "schedule": self.schedule.state_dict(),
        }

    def tensors(self) -> dict[str, Tensor]:
        """The rest, by name: not copies, but what training goes on to change."""
        moments = self.optimiser.state_dict()["state"]
        return (
            {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
            | {f"optimiser/{i}/{name}": tensor for i, own in moments.items() for name, tensor in own.items()}
            | {f"best/{name}": tensor for name, tensor in self.best.items()}
        )

    def restore(self, snapshot: Snapshot | None) -> bool:
        """Become what the first process has read, in all of them; False, and unchanged, where that is None."""
        values = distributed.first(snapshot.values if snapshot else None)
        if values is None:
            return False
        self.seconds, self.norms = values["seconds"], values["norms"]
        self.epoch = EpochSoFar(**values["epoch"])
        self.history, self.found = values["history"], values["found"]
        self.schedule.load_state_dict(values["schedule"])
        for group, lr in zip(self.optimiser.param_groups, self.schedule.get_last_lr(), strict=True):
            group["lr"] = lr
        if self.history:
            self.keep_weights()  # room for those that come
        with torch.no_grad():
            for name, tensor in self.tensors().items():
                if snapshot:
                    tensor.copy_(snapshot.tensors[name])
                distributed.copy_of_first(tensor, self.device)
        return True
