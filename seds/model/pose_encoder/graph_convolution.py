"""The graph convolution: every joint hears its neighbours, each edge set through weights of its own (SPEC 6).

Of joint w, y_w = sum over sets k of W_k (sum over v of A_k[v, w] x_v) + what the biases give. Joints are mixed before
channels: the two commute, and joints are cheaper on the (never more) input channels.
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
    hearing: Tensor
    listeners: Tensor

    def __init__(self, inputs: int, outputs: int, adjacency: np.ndarray) -> None:
        """adjacency: [sets, J, J]; [k, v, w] is the weight with which joint w hears joint v over set k."""
        super().__init__(inputs, len(adjacency) * outputs)
        # Constant, hence in no state dict. [sets, J, J] float32, as the released tables are.
        self.register_buffer("adjacency", torch.from_numpy(adjacency.astype(np.float32)), persistent=False)
        # In most sets some joints hear nobody; of those nothing is computed. Rows: the joints that do, set by set.
        sets, joints = np.nonzero(adjacency.any(1))
        self.register_buffer("hearing", self.adjacency[sets, :, joints], persistent=False)  # [rows, J]
        self.register_buffer("listeners", torch.from_numpy(joints), persistent=False)  # [rows]
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
            return _Heard.apply(x, weight, bias, self.hearing.to(x.dtype), self.listeners, self.rows_of_set)


class _Heard(torch.autograd.Function):
    """The sum over edge sets in place; what the joints hear is computed again for the gradient, which is cheap."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, hearing: Tensor, listeners: Tensor, rows: list[int]
    ) -> Tensor:
        """x: [J, N, in], weight: [sets, out, in], bias: [J, out] -> [J, N, out]."""
        joints, frames, _ = x.shape
        y = bias[:, None].repeat(1, frames, 1)
        heard = _mix(hearing, x).split(rows)
        for part, at, w in zip(heard, listeners.split(rows), weight, strict=True):
            if len(at) == joints:
                y.flatten(0, 1).addmm_(part.flatten(0, 1), w.T)
            elif len(at):
                y.index_add_(0, at, part @ w.T)
        ctx.save_for_backward(x, weight, hearing, listeners)
        ctx.rows = rows
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, hearing, listeners = ctx.saved_tensors
        joints = len(x)
        heard = _mix(hearing, x).split(ctx.rows)
        for_weight, for_heard = torch.zeros_like(weight), []
        for k, (part, at) in enumerate(zip(heard, listeners.split(ctx.rows), strict=True)):
            if not len(at):
                continue
            arriving = (gradient if len(at) == joints else gradient[at]).flatten(0, 1)
            torch.mm(arriving.T, part.flatten(0, 1), out=for_weight[k])
            if ctx.needs_input_grad[0]:
                for_heard.append((arriving @ weight[k]).view(part.shape))
        for_x = _mix(hearing.T, torch.cat(for_heard)) if ctx.needs_input_grad[0] else None
        return for_x, for_weight, gradient.sum(1), None, None, None


def _mix(matrix: Tensor, x: Tensor) -> Tensor:
    """[R, J], [J, N, C] -> [R, N, C]."""
    return (matrix @ x.flatten(1)).view(len(matrix), *x.shape[1:])
