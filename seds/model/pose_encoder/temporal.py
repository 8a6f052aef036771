"""The temporal block: two receptive fields side by side over a run of frames (SPEC 6)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.model.pose_encoder.norm_relu_dropout import NormReluDropout

GAP = 2  # zero frames between packed videos: the reach of the widest convolution


class TemporalBlock(nn.Module):
    """cat[ReLU(conv5(x)), ReLU(conv3(ReLU(conv3(x))))] with zero padding, 1x1 convolution 2C -> C, BatchNorm, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv5 = nn.Conv1d(channels, channels, 5, padding=2)
        self.conv3_1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.conv3_2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.mix = nn.Conv1d(2 * channels, channels, 1)
        self.norm = NormReluDropout(channels, relu=True)

    def convolve(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        """Everything before BatchNorm and ReLU. x: [B, C, T]; keep: [T], 1 = a frame, 0 = padding -> [B, C, T]."""
        wide = F.relu(self.conv5(x))
        narrow = F.relu(self.conv3_1(x))
        if keep is not None:
            narrow = narrow * keep  # zero padding for the second convolution
        return self.mix(torch.cat([wide, F.relu(self.conv3_2(narrow))], 1))

    def forward(self, x: Tensor, packing: Packing) -> Tensor:
        """Frames of several videos, each convolved by itself. x: [N, C] -> [N, C]."""
        packed = packing.spread(x).T[None]  # [1, C, P]
        y = self.convolve(packed, packing.keep.to(x.dtype))[0].T  # [P, C]
        return self.norm(y[packing.slots])


class Packing:
    """Videos end to end with zero frames in between, so that one convolution serves all and mixes none.

    slots: int64 [N], the position of each frame; keep: bool [P], True where there is a frame.
    """

    def __init__(self, lengths: Tensor) -> None:
        """lengths: int64 [B], the frames of each video, N in total."""
        video = torch.repeat_interleave(torch.arange(len(lengths), device=lengths.device), lengths)
        self.slots = torch.arange(len(video), device=lengths.device) + GAP * video
        self.keep = torch.zeros(len(video) + GAP * len(lengths), dtype=torch.bool, device=lengths.device)
        self.keep[self.slots] = True

    def spread(self, x: Tensor) -> Tensor:
        """[N, C] -> [P, C]."""
        return x.new_zeros(len(self.keep), x.shape[1]).index_copy(0, self.slots, x)
