"""The pose encoder's weights in the layout of the release's pretrain_signbert.pth, and the constants that are in it."""

from __future__ import annotations

import torch
from torch import Tensor

from seds.model.pose_encoder.encoder import PoseEncoder
from seds.model.pose_encoder.graphs import body_graph, hand_graph
from seds.model.published_names import POINTWISE, published_name

PREFIX = "signbert."  # of these tensors in a whole SEDS; the pretrained file does without


def graph_tables() -> dict[str, Tensor]:
    """The adjacency of both graphs by released name, float32 [4,J,J]."""
    graphs = {"hand": hand_graph(), "body": body_graph()}
    return {
        f"{PREFIX}embed.st_gcn_{part}.{name}": torch.from_numpy(table).float()
        for part, graph in graphs.items()
        for name, table in (("A", graph.adjacency), ("A_pool", graph.pooled))
    }


def released_state(encoder: PoseEncoder) -> dict[str, Tensor]:
    """Every tensor of a pretrained pose encoder by its released name without PREFIX, on the CPU."""
    state = graph_tables()
    for name, tensor in encoder.state_dict().items():
        theirs = published_name(f"pose_encoder.{name}")
        state[theirs] = as_released(theirs, tensor.detach().cpu().clone())
    return {name.removeprefix(PREFIX): tensor for name, tensor in state.items()}


def as_released(name: str, tensor: Tensor) -> Tensor:
    """A linear layer's weight [out,in] as the 1x1 convolution that it is in the release; any other tensor unchanged."""
    pointwise = name.endswith(POINTWISE) and tensor.dim() == 2 and name.startswith((PREFIX, "clip"))
    return tensor[:, :, None, None] if pointwise else tensor
