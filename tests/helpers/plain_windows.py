"""The temporal block applied to each window by itself: what seds.model.pose_encoder.window_stage must equal."""

from torch import Tensor

from seds.model.pose_encoder.temporal import TemporalBlock


def plain_window_means(block: TemporalBlock, x: Tensor, weight: Tensor | None = None) -> Tensor:
    """The mean over each window's frames. x: [V, C, T]; weight: [V], of the batch statistics -> [V, C]."""
    y = block.convolve(x).transpose(1, 2)  # [V, T, C]
    repeated = None if weight is None else weight.repeat_interleave(y.shape[1])
    return block.norm(y.flatten(0, 1), repeated).view(y.shape).mean(1)
