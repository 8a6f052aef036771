"""The I3D's layers before the first Inception block, for windows that overlap: what these share is computed once.

B windows of T frames, C channels, H and W px of a map (the values of a layer at one time).

Windows one frame apart have all but one of their frames in common, and the two large convolutions of these layers are
more than half of the network's arithmetic. A map of a convolution depends on the frames under its kernel; at a window's
edge some taps meet zero padding, so that it depends on fewer frames and on the taps that meet them. A map is therefore
known by its taps and by what they meet. Each is computed once, by a convolution over height and width of all that they
meet, stacked as channels. Of a window's 8 maps after the 7x7x7 convolution 5 are inner ones, four of them known from
earlier windows; of the 8 after the 3x3x3 convolution 3 are, two of them known. That leaves 22 of 56 products of a tap
with a frame, and 16 of 24 with a map.

The sums are those of the network itself, in another order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seds.rgb.i3d import InceptionI3D, Unit, pad_after, same_padding


class Map(NamedTuple):
    """What a map is made of."""

    frame: int  # number of the first frame it depends on
    tap: int  # the first tap
    met: tuple[Source, ...]  # what it and the next ones meet


Source: TypeAlias = int | Map  # a frame, by its number in the video, or a map of the convolution before


class SharedStem:
    """The layers before the first Inception block, over the windows of one video in ascending order.

    Keeps the frames and maps that a later window may need: those from the last window's second frame on.
    """

    def __init__(self, network: InceptionI3D) -> None:
        """network: in evaluation."""
        stages: list[tuple[Unit, list[nn.Module]]] = []  # a convolution over time, and the layers after it that are not
        for layer in network.stem():
            if isinstance(layer, Unit) and layer.conv3d.kernel_size[0] > 1:
                stages.append((layer, []))
            else:
                stages[-1][1].append(layer)
        self._stages = stages
        self._known: dict[Source, Tensor] = {}  # [H,W,C]

    def __call__(self, starts: Sequence[int], windows: Sequence[Sequence[Tensor]]) -> Tensor:
        """The maps of windows of T frames float32 [3,H,W], the first of each with the number in `starts`.

        -> [B,C,T/2,H/8,W/8], rounded up.
        """
        wanted: list[list[Source]] = []
        for start, window in zip(starts, windows, strict=True):
            wanted.append([*range(start, start + len(window))])
            for number, frame in enumerate(window, start):
                if number not in self._known:
                    self._known[number] = frame.permute(1, 2, 0).contiguous()
        for unit, others in self._stages:
            wanted = [_maps(sources, unit.conv3d) for sources in wanted]
            self._make({cast(Map, source) for sources in wanted for source in sources}, unit, others)
        stacked = torch.stack([torch.stack([self._known[source] for source in sources]) for sources in wanted])
        self._known = {source: value for source, value in self._known.items() if _frame(source) > starts[-1]}
        return stacked.permute(0, 4, 1, 2, 3)  # channels last in memory

    def _make(self, maps: Iterable[Map], unit: Unit, others: Sequence[nn.Module]) -> None:
        """Compute those of the maps that are not known, a pass for each choice of taps."""
        by_taps = defaultdict(list)
        for new in sorted(maps):
            if new not in self._known:
                by_taps[new.tap, len(new.met)].append(new)
        for (tap, count), group in by_taps.items():
            met = torch.stack([torch.cat([self._known[source] for source in new.met], dim=2) for new in group])
            x = _convolve(met.permute(0, 3, 1, 2), unit.conv3d, tap, count)[:, :, None]  # one time
            x = unit.normalise(x)
            for layer in others:
                x = layer(x)
            self._known.update(zip(group, x[:, :, 0].permute(0, 2, 3, 1), strict=True))


def _convolve(x: Tensor, conv: nn.Conv3d, tap: int, count: int) -> Tensor:
    """One time of a convolution, from what `count` of its taps meet, stacked: [N,count*C,H,W] -> [N,C',H',W']."""
    weight = conv.weight[:, :, tap : tap + count].transpose(1, 2).flatten(1, 2)
    weight = weight.contiguous(memory_format=torch.channels_last)
    x, padding = pad_after(x, conv.kernel_size[1:], conv.stride[1:])
    return F.conv2d(x, weight, None, conv.stride[1:], padding)


def _maps(sources: Sequence[Source], conv: nn.Conv3d) -> list[Source]:
    """The maps of a convolution with TF 'same' padding over the frames of a window, or over its maps."""
    kernel, stride = conv.kernel_size[0], conv.stride[0]
    [(before, _)] = same_padding([len(sources)], [kernel], [stride])
    maps: list[Source] = []
    for low in range(-before, len(sources) - before, stride):
        met = tuple(sources[max(low, 0) : low + kernel])
        maps.append(Map(_frame(met[0]), max(-low, 0), met))
    return maps


def _frame(source: Source) -> int:
    """The first frame that a frame or a map depends on."""
    return source if isinstance(source, int) else source.frame
