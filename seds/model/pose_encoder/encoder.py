"""The pose encoder: joint coordinates -> one token per window (SPEC 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from seds.config import ModelSizes
from seds.model.pose_encoder.graph_network import GraphNetwork
from seds.model.pose_encoder.graphs import body_graph, hand_graph
from seds.model.pose_encoder.temporal import Packing, TemporalBlock
from seds.model.pose_encoder.window_stage import window_means
from seds.model.recompute import checkpointed


class PoseEncoder(nn.Module):
    """Both hands through one graph network, the body through another, then a temporal block inside each window.

    checkpointing: in training, layers keep only their inputs and are computed again in the backward pass; the batch
    statistics are still those of the whole batch.
    """

    def __init__(self, sizes: ModelSizes) -> None:
        super().__init__()
        self.checkpointing = False
        self.window = sizes.window
        channels, out = sizes.gcn_channels, sizes.gcn_out
        self.hand = GraphNetwork(hand_graph(), channels, out, sizes.gcn_dropout, sizes.gcn_out_dropout)
        self.body = GraphNetwork(body_graph(), channels, out, sizes.gcn_dropout, sizes.gcn_out_dropout)
        self.window_block = TemporalBlock(3 * out)

    def frame_features(self, left: Tensor, right: Tensor, body: Tensor, lengths: Tensor) -> Tensor:
        """left, right: [N, 21, 2] px, body: [N, 7, 2] px, the videos end to end; lengths: [B] -> [N, 3 gcn_out]."""
        packing = Packing(lengths)
        # Right before left, the release's order: both update the shared network's running statistics.
        right_features = self.hand(right, packing)
        return torch.cat([self.hand(left, packing), right_features, self.body(body, packing)], 1)

    def forward(
        self, left: Tensor, right: Tensor, body: Tensor, frames: Tensor, starts: Tensor, padded: bool
    ) -> Tensor:
        """Window tokens of a padded batch.

        left, right: [B, T, 21, 2] px; body: [B, T, 7, 2] px; frames: int64 [B], without padding; starts: int64 [B, V],
        -1 = unused. padded: False = padding frames are ignored and unused windows are zero; True = as released, padding
        frames are frames, and an unused window is a window of zero features, convolved and counted like the others.
        Returns [B, V, 3 gcn_out].
        """
        index, lengths, offsets = _frame_index(frames, left.shape[1], self.window, padded)
        features = self.frame_features(
            left.flatten(0, 1)[index], right.flatten(0, 1)[index], body.flatten(0, 1)[index], lengths
        )
        used = starts >= 0
        flat_starts = (starts + offsets[:, None])[used]  # [windows]
        row = torch.full_like(starts, len(flat_starts))  # unused ones: the row after the last window
        row[used] = torch.arange(len(flat_starts), device=starts.device)
        weight = None
        if padded:
            flat_starts = torch.cat([flat_starts, flat_starts.new_full((1,), len(features))])
            weight = left.new_ones(len(flat_starts))
            weight[-1] = (~used).sum()
            features = torch.cat([features, features.new_zeros(self.window, features.shape[1])])
        inputs = (self.window_block, features, flat_starts, self.window, weight)
        if self.checkpointing:
            means = checkpointed(window_means, *inputs, norms=self.window_block)
        else:
            means = window_means(*inputs)
        if not padded:
            means = torch.cat([means, means.new_zeros(1, means.shape[1])])
        return means[row]


def _frame_index(frames: Tensor, total: int, window: int, padded: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Which of the B x total frames to encode (int64 [N]), how many of each video, and where each video begins ([B]).

    A video shorter than a window repeats its last frame (SPEC 5).
    """
    lengths = frames.clamp(min=window)
    if padded:
        lengths = torch.full_like(frames, max(total, window))
    longest = int(lengths.max())
    t = torch.arange(longest, device=frames.device).expand(len(frames), longest)
    short = (frames < window)[:, None] & (t < window)
    source = torch.where(short, torch.minimum(t, frames[:, None] - 1), t)
    source = source.clamp(max=total - 1) + total * torch.arange(len(frames), device=frames.device)[:, None]
    return source[t < lengths[:, None]], lengths, lengths.cumsum(0) - lengths
