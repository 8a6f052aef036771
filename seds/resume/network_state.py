"""The state of one network's training after a step: everything needed to resume as if it had never been interrupted.

For stages that keep the last epoch; seds.training.run_state is that of a model whose epoch dev chooses.

No state of a random number generator is saved: numbers are drawn from (seed, epoch) and from (seed, step). The learning
rate is a function of the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from seds.resume.snapshots import Snapshot


@dataclass
class NetworkState:
    """step: optimiser steps done. losses: by part, summed over the steps of this epoch. history: what each finished
    epoch measured.
    """

    network: nn.Module
    optimiser: torch.optim.Optimizer
    step: int = 0
    losses: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    def values(self) -> dict[str, Any]:
        """The part of the state that JSON represents exactly."""
        return {"step": self.step, "losses": self.losses, "history": self.history}

    def tensors(self) -> dict[str, Tensor]:
        """The rest, by name: the tensors themselves, which training goes on to change, not copies."""
        moments = self.optimiser.state_dict()["state"]
        return {f"network/{name}": tensor for name, tensor in self.network.state_dict().items()} | {
            f"optimiser/{i}/{name}": tensor
            for i, named in moments.items()
            for name, tensor in named.items()
            if isinstance(tensor, Tensor)
        }

    def restore(self, snapshot: Snapshot | None) -> bool:
        """Take over a snapshot; False, unchanged, for None."""
        if snapshot is None:
            return False
        values: Mapping[str, Any] = snapshot.values
        self.step, self.losses, self.history = values["step"], values["losses"], values["history"]
        network = {name: tensor for name, tensor in snapshot.tensors.items() if name.startswith("network/")}
        self.network.load_state_dict({name.removeprefix("network/"): tensor for name, tensor in network.items()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, tensor in snapshot.tensors.items():
            if name.startswith("optimiser/"):
                _, place, moment = name.split("/")
                moments.setdefault(int(place), {})[moment] = tensor
        parameters = [p for group in self.optimiser.param_groups for p in group["params"]]
        for number, named in moments.items():  # in the memory layout of the parameter, as the optimiser makes them
            named |= {
                moment: torch.empty_like(parameters[number]).copy_(tensor)
                for moment, tensor in named.items()
                if tensor.shape == parameters[number].shape
            }
        self.optimiser.load_state_dict(self.optimiser.state_dict() | {"state": moments})
        return True
