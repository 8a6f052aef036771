"""Random initial weights of the pose encoder, the same for the same generator."""

from __future__ import annotations

import torch
from torch import nn

from seds.model.pose_encoder.encoder import PoseEncoder


@torch.no_grad()
def initialise_pose(encoder: PoseEncoder, generator: torch.Generator) -> None:
    """He normal (He et al., ICCV 2015), normalisations neutral, biases zero."""
    make_neutral(encoder)
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv1d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)


@torch.no_grad()
def make_neutral(network: nn.Module) -> None:
    """Normalisations that change nothing, without statistics; biases zero."""
    for module in network.modules():
        if isinstance(module, nn.LayerNorm | nn.BatchNorm1d):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm1d):
            module.reset_running_stats()
        if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None:
            nn.init.zeros_(module.bias)
