"""The temporal block inside every window, without repeating what overlapping windows share.

Neighbouring windows share all but two of their frames, and only the edges of a window depend on its zero padding. The
product W_k x[f] of tap k of a convolution with frame f does not depend on the window, so it is computed once per frame;
a convolution is a sum of such products, which at a window's edge lacks the taps outside. With a reach of 2 frames on
each side (conv5, or conv3 after conv3)

- the inner activations of a window equal those of a convolution over the whole run of frames, and are shared;
- its four edge activations (frames 0, 1 and the last two) are sums of the same products, without some taps. The second
  conv3 needs separate products for the first's edge activations, which differ from the shared ones.

Videos lie end to end: an activation that mixes two videos is inner to no window, so it is never used. BatchNorm's
statistics weight each shared activation by the number of windows it is inner to. This costs 13 C^2 products per frame
and 12 C^2 per window, where convolving each window by itself costs 13 C^2 for each of its 16 frames.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.model.pose_encoder.temporal import TemporalBlock
from seds.precision import to_float32

REACH = 2


def window_means(block: TemporalBlock, x: Tensor, starts: Tensor, window: int, weight: Tensor | None = None) -> Tensor:
    """The block applied to each window x[s : s + window], averaged over its frames; with gradients and statistics.

    Equal, up to rounding, to applying the block to each window by itself. x: [N, C], frames end to end; starts: int64
    [V]; weight: [V], how often each window counts in the batch statistics (None = once) -> [V, C]. Raises ValueError
    when a window is shorter than 5 frames.
    """
    if window <= 2 * REACH:
        raise ValueError(f"windows of {window} frames have no inner frame; at least {2 * REACH + 1} are needed")
    s, last = starts, starts + window - 1

    # conv5: x[f] meets tap k at frame f - k.
    taps = _taps(x, block.conv5.weight)
    wide = _span(taps, -2, 2)  # row f - 2
    wide_edges = [
        _span(taps, 0, 2)[s],
        _span(taps, -1, 2)[s],  # frame s + 1
        _span(taps, -2, 1)[last - 3],  # frame last - 1
        _span(taps, -2, 0)[last - 2],
    ]

    # conv3 after conv3.
    bias = block.get_parameter("conv3_1.bias")
    taps = _taps(x, block.conv3_1.weight)
    narrow = F.relu(_span(taps, -1, 1) + bias)  # row f - 1
    first = F.relu(_span(taps, 0, 1)[s] + bias)
    final = F.relu(_span(taps, -1, 0)[last - 1] + bias)
    before, at, after = block.conv3_2.weight.unbind(2)
    taps = _taps(narrow, block.conv3_2.weight)  # row f - 1
    deep = _span(taps, -1, 1)  # row f - 2
    deep_edges = [
        first @ at.T + taps[2][s],
        first @ before.T + _span(taps, 0, 1)[s],
        _span(taps, -1, 0)[last - 3] + final @ after.T,
        taps[0][last - 2] + final @ at.T,
    ]

    rows = len(wide)
    wide = F.relu(torch.cat([wide, *wide_edges]) + block.get_parameter("conv5.bias"))
    deep = F.relu(torch.cat([deep, *deep_edges]) + block.get_parameter("conv3_2.bias"))
    y = F.linear(torch.cat([wide, deep], 1), block.mix.weight[:, :, 0], block.mix.bias)  # [rows + 4 V, C]

    counts = None
    if block.norm.training:
        counts = _multiplicity(y, rows, starts, window, weight)
    z = block.norm(y, counts)
    inner, edges = z[:rows], z[rows:].view(2 * REACH, len(starts), -1)
    inner_sum = F.avg_pool1d(inner.T[None], window - 2 * REACH, 1)[0].T[s] * (window - 2 * REACH)
    return (inner_sum + edges.sum(0)) / window


def _taps(x: Tensor, weight: Tensor) -> tuple[Tensor, ...]:
    """W_k x[f] of every tap. x: [N, C], weight: [out, C, K] -> K times [N, out]."""
    out, channels, width = weight.shape
    products = x @ weight.permute(1, 2, 0).reshape(channels, width * out)
    return products.view(len(x), width, out).unbind(1)


def _span(taps: tuple[Tensor, ...], low: int, high: int) -> Tensor:
    """Sum of the taps low..high around a frame; row i is frame i - low, so [N - (high - low), out]."""
    centre = len(taps) // 2
    rows = len(taps[0]) - (high - low)
    total = taps[centre + low][:rows]
    for shift, k in enumerate(range(low + 1, high + 1), start=1):
        total = total + taps[centre + k][shift : shift + rows]
    return total


def _multiplicity(y: Tensor, rows: int, starts: Tensor, window: int, weight: Tensor | None) -> Tensor:
    """How often each row of y occurs when windows are convolved one by one, [rows + 4 V]."""
    each = to_float32(y).new_ones(len(starts)) if weight is None else weight
    change = each.new_zeros(rows + 1)
    change.index_add_(0, starts, each)
    change.index_add_(0, starts + window - 2 * REACH, -each)
    return torch.cat([change.cumsum(0)[:rows].round(), each.repeat(2 * REACH)])
