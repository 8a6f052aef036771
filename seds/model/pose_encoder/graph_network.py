"""The graph network over the joints of one body part in one frame (SPEC 6).

Joint-major layout [J, N, C] (joints, frames, channels): mixing joints and mixing channels are then both plain matrix
products without a copy in between.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.model.pose_encoder.graph_convolution import GraphConvolution
from seds.model.pose_encoder.graphs import Graph
from seds.model.pose_encoder.norm_relu_dropout import NormReluDropout
from seds.model.pose_encoder.temporal import Packing, TemporalBlock
from seds.model.recompute import checkpointed

POOLED_UNITS = 2


class GraphUnit(nn.Module):
    """Graph convolution, BatchNorm, ReLU, 1x1 convolution, BatchNorm, residual, ReLU: [J, N, in] -> [J, N, out]."""

    def __init__(
        self, inputs: int, outputs: int, adjacency: np.ndarray, dropout: float, *, residual: bool = True
    ) -> None:
        super().__init__()
        self.graph = GraphConvolution(inputs, outputs, adjacency)
        self.norm1 = NormReluDropout(outputs, relu=True, dropout=dropout)
        self.linear = nn.Linear(outputs, outputs)
        self.norm2 = NormReluDropout(outputs, dropout=dropout)
        self.residual = residual
        self.shortcut = self.shortcut_norm = None
        if residual and inputs != outputs:
            self.shortcut = nn.Linear(inputs, outputs)
            self.shortcut_norm = NormReluDropout(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.linear(self.norm1(self.graph(x).flatten(0, 1))))
        if self.shortcut is not None and self.shortcut_norm is not None:
            y = y + self.shortcut_norm(self.shortcut(x.flatten(0, 1)))
        elif self.residual:
            y = y + x.flatten(0, 1)
        return F.relu(y).view(*x.shape[:2], -1)


class GraphNetwork(nn.Module):
    """Joint coordinates of one part (a hand, the body) -> one feature vector per frame, in its temporal context.

    checkpointing: in training, each unit and temporal block keeps only its input and is computed again in the backward
    pass; the batch statistics are still those of the whole batch.
    """

    def __init__(
        self, graph: Graph, channels: tuple[int, int, int], outputs: int, dropout: float, out_dropout: float
    ) -> None:
        super().__init__()
        self.checkpointing = False
        first, second, third = channels
        self.parts = graph.parts
        # eps 0.1: the release passes the momentum as eps, and its weights were trained that way.
        self.data_norm = NormReluDropout(2 * graph.joints, eps=0.1)
        self.units = nn.ModuleList(
            [
                GraphUnit(2, first, graph.adjacency, dropout, residual=False),
                GraphUnit(first, second, graph.adjacency, dropout),
                GraphUnit(second, third, graph.adjacency, dropout),
            ]
        )
        self.pooled_units = nn.ModuleList(
            [GraphUnit(third if i == 0 else outputs, outputs, graph.pooled, dropout) for i in range(POOLED_UNITS)]
        )
        self.out = nn.Linear(outputs, outputs)
        self.out_norm = NormReluDropout(outputs, relu=True, dropout=out_dropout)
        self.temporal = nn.ModuleList([TemporalBlock(outputs), TemporalBlock(outputs)])

    def frame_features(self, joints: Tensor) -> Tensor:
        """Each frame by itself. joints: [N, J, 2] px -> [N, outputs]."""
        x = self.data_norm(joints.flatten(1)).view(joints.shape)  # channels joint-major: x0, y0, x1, y1, ...
        x = x.transpose(0, 1).contiguous()  # [J, N, 2]
        for unit in self.units:
            x = self._step(unit, x)
        x = torch.stack([x[list(part)].amax(0) for part in self.parts])  # [P, N, C]
        for unit in self.pooled_units:
            x = self._step(unit, x)
        return self.out_norm(self.out(x.amax(0)))

    def forward(self, joints: Tensor, packing: Packing) -> Tensor:
        """joints: [N, J, 2] px, the frames of all videos end to end -> [N, outputs]."""
        x = self.frame_features(joints)
        for block in self.temporal:
            x = self._step(block, x, packing)
        return x

    def _step(self, module: nn.Module, *inputs: Any) -> Tensor:
        return checkpointed(module, *inputs, norms=module) if self.checkpointing else module(*inputs)
