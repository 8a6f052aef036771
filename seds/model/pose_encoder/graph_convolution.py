"""The graph convolution: each joint takes in its neighbours, each edge set through weights of its own (SPEC 6).

Of joint w, y_w = sum over sets k of W_k (sum over v of A_k[v, w] x_v) + the biases' part. Joints are mixed before
channels: the two commute, and mixing joints is cheaper on the input channels, of which there are never more.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class GraphConvolution(nn.Linear):
    """[J, N, in] -> [J, N, out] (joints, frames, channels). Outputs of the weight: by edge set, then channel."""

    adjacency: Tensor
    adjacency_rows: Tensor
    target_joints: Tensor

    def __init__(self, inputs: int, outputs: int, adjacency: np.ndarray) -> None:
        """adjacency: [sets, J, J]; [k, v, w] is the weight of joint v in joint w over set k."""
        super().__init__(inputs, len(adjacency) * outputs)
        # Constant, hence in no state dict. [sets, J, J] float32, as the released tables are.
        self.register_buffer("adjacency", torch.from_numpy(adjacency.astype(np.float32)), persistent=False)
        # In most sets some joints have no neighbour, and nothing is computed for them. A row for each joint that has
        # one, set by set.
        sets, joints = np.nonzero(adjacency.any(1))
        self.register_buffer("adjacency_rows", self.adjacency[sets, :, joints], persistent=False)  # [rows, J]
        self.register_buffer("target_joints", torch.from_numpy(joints), persistent=False)  # [rows]
        self.rows_of_set = np.bincount(sets, minlength=len(adjacency)).tolist()

    def forward(self, x: Tensor) -> Tensor:
        device = x.device.type
        weight = self.weight.view(len(self.adjacency), -1, x.shape[2])
        # A bias travels along the edges as its channel does.
        bias = torch.einsum("kvw,ko->wo", self.adjacency, self.bias.view(len(self.adjacency), -1))
        if torch.is_autocast_enabled(device):
            dtype = torch.get_autocast_dtype(device)
            x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
        with torch.autocast(device, enabled=False):
            rows = self.adjacency_rows.to(x.dtype)
            return _GraphConv.apply(x, weight, bias, rows, self.target_joints, self.rows_of_set)


class _GraphConv(torch.autograd.Function):
    """The sum over edge sets, in place; the mixed joints are computed again for the gradient, which is cheap."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        adjacency_rows: Tensor,
        target_joints: Tensor,
        rows_of_set: list[int],
    ) -> Tensor:
        """x: [J, N, in], weight: [sets, out, in], bias: [J, out] -> [J, N, out]."""
        joints, frames, _ = x.shape
        y = bias[:, None].repeat(1, frames, 1)
        neighbours = _mix_joints(adjacency_rows, x).split(rows_of_set)
        for mixed, targets, w in zip(neighbours, target_joints.split(rows_of_set), weight, strict=True):
            if len(targets) == joints:
                y.flatten(0, 1).addmm_(mixed.flatten(0, 1), w.T)
            elif len(targets):
                y.index_add_(0, targets, mixed @ w.T)
        ctx.save_for_backward(x, weight, adjacency_rows, target_joints)
        ctx.rows_of_set = rows_of_set
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, adjacency_rows, target_joints = ctx.saved_tensors
        joints = len(x)
        neighbours = _mix_joints(adjacency_rows, x).split(ctx.rows_of_set)
        for_weight, for_neighbours = torch.zeros_like(weight), []
        for k, (mixed, targets) in enumerate(zip(neighbours, target_joints.split(ctx.rows_of_set), strict=True)):
            if not len(targets):
                continue
            arriving = (gradient if len(targets) == joints else gradient[targets]).flatten(0, 1)
            torch.mm(arriving.T, mixed.flatten(0, 1), out=for_weight[k])
            if ctx.needs_input_grad[0]:
                for_neighbours.append((arriving @ weight[k]).view(mixed.shape))
        for_x = _mix_joints(adjacency_rows.T, torch.cat(for_neighbours)) if ctx.needs_input_grad[0] else None
        return for_x, for_weight, gradient.sum(1), None, None, None


def _mix_joints(matrix: Tensor, x: Tensor) -> Tensor:
    """[R, J], [J, N, C] -> [R, N, C]."""
    return (matrix @ x.flatten(1)).view(len(matrix), *x.shape[1:])
