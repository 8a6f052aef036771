"""The pose encoder with a decoder that restores, frame by frame, the joints that were hidden from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.config import ModelSizes
from seds.data.hands import CROP
from seds.model.pose_encoder.encoder import PoseEncoder
from seds.model.pose_encoder.initialisation import initialise_pose
from seds.model.pose_encoder.temporal import Packing
from seds.precision import to_float32
from seds.pretrain.batches import COUNTS, PARTS, Batch

GROUPS = {"hands": ("left", "right"), "body": ("body",)}  # of parts, whose losses are added


class Restorer(nn.Module):
    """encoder: that of SEDS, whole. decoder: of a frame's features inside a window, a perceptron with one hidden layer.

    SignBERT's decoder is the hand model MANO, whose licence does not let it be passed on.
    """

    def __init__(self, sizes: ModelSizes, hidden: int) -> None:
        super().__init__()
        self.encoder = PoseEncoder(sizes)
        self.decoder = nn.Sequential(
            nn.Linear(3 * sizes.gcn_out, hidden), nn.ReLU(), nn.Linear(hidden, 2 * sum(COUNTS.values()))
        )

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The joints of each part, [W x window, J, 2] in sides of the crop, counted from its middle."""
        left, right, body = (batch.hidden[part] for part in PARTS)
        features = self.encoder.frame_features(left, right, body, batch.lengths)
        lengths = torch.full((len(batch.windows),), batch.windows.shape[1], device=features.device)
        seen = self.encoder.window_block(features[batch.windows.flatten()], Packing(lengths))
        restored = to_float32(self.decoder(seen)).unflatten(1, (-1, 2))
        return dict(zip(PARTS, restored.split([COUNTS[part] for part in PARTS], dim=1), strict=True))

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Mean distance of x and of y from the joints that were hidden, by group, in sides of the crop."""
        return distances(self(batch), batch)


def build(sizes: ModelSizes, hidden: int, seed: int) -> Restorer:
    """With random weights. hidden: units of the decoder."""
    network, generator = Restorer(sizes, hidden), torch.Generator().manual_seed(seed)
    initialise_pose(network.encoder, generator)
    with torch.no_grad():
        first, last = (layer for layer in network.decoder if isinstance(layer, nn.Linear))
        nn.init.xavier_uniform_(first.weight, generator=generator)
        for tensor in (first.bias, last.weight, last.bias):  # so that it begins with the middle of the crop
            nn.init.zeros_(tensor)
    return network


def distances(restored: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """As Restorer.losses. restored: by part, [W x window, J, 2] or what is broadcast to it."""
    frames, losses = batch.windows.flatten(), {}
    for group, parts in GROUPS.items():
        total, counted = torch.zeros((), device=frames.device), torch.zeros((), device=frames.device)
        for part in parts:
            weights = batch.weights[part][frames]
            truth = batch.joints[part][frames] / CROP - 0.5
            error = F.l1_loss(restored[part].expand_as(truth), truth, reduction="none").mean(dim=2)
            total, counted = total + (error * weights).sum(), counted + weights.sum()
        losses[group] = total / counted.clamp(min=1e-6)
    return losses
