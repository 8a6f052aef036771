"""Inception-I3D, the RGB backbone: Inception-v1 inflated in time (Carreira & Zisserman, CVPR 2017).

B clips, T frames, H and W px. Registered with mmaction2, so that a config can build it as the backbone of any of its
recognizers; `build_recognizer` makes the one that extracts features. Modules have the names of the PyTorch port that
the BSL-1K checkpoints were trained with, so that these load key by key (seds.rgb.weights).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmaction.registry import MODELS
from torch import Tensor, nn

from seds.extraction.openmmlab import fill_import_gaps

BATCH_NORM_EPS = 1e-3  # SPEC 11

# Channels at width 1. Of an Inception block: branch 0 (1x1x1) | branch 1 (1x1x1, then 3x3x3) | branch 2 (the same) |
# branch 3 (max-pool, then 1x1x1). The branches' last channels are concatenated.
STEM = {"Conv3d_1a_7x7": 64, "Conv3d_2b_1x1": 64, "Conv3d_2c_3x3": 192}
BLOCKS = {
    "Mixed_3b": (64, (96, 128), (16, 32), 32),
    "Mixed_3c": (128, (128, 192), (32, 96), 64),
    "Mixed_4b": (192, (96, 208), (16, 48), 64),
    "Mixed_4c": (160, (112, 224), (24, 64), 64),
    "Mixed_4d": (128, (128, 256), (24, 64), 64),
    "Mixed_4e": (112, (144, 288), (32, 64), 64),
    "Mixed_4f": (256, (160, 320), (32, 128), 128),
    "Mixed_5b": (256, (160, 320), (32, 128), 128),
    "Mixed_5c": (384, (192, 384), (48, 128), 128),
}
# Max-pools, by the layer that follows them: (kernel, stride) over time, height, width.
POOLS = {
    "Conv3d_2b_1x1": ((1, 3, 3), (1, 2, 2)),
    "Mixed_3b": ((1, 3, 3), (1, 2, 2)),
    "Mixed_4b": ((3, 3, 3), (2, 2, 2)),
    "Mixed_5b": ((2, 2, 2), (2, 2, 2)),
}
AVERAGE = (2, 7, 7)  # the whole last map of 16 frames at 224 px


def scaled(channels: int, width: float) -> int:
    """`channels` times `width`, rounded to the nearest multiple of 8, at least 8."""
    return max(8, 8 * round(channels * width / 8))


def same_padding(sizes: Sequence[int], kernel: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    """Zeros (before, after) each axis by TensorFlow's 'same' rule: ceil(size / stride) outputs, odd zeros go after."""
    totals = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in zip(sizes, kernel, stride, strict=True)]
    return [(total // 2, total - total // 2) for total in totals]


def pad_after(x: Tensor, kernel: Sequence[int], stride: Sequence[int]) -> tuple[Tensor, tuple[int, ...]]:
    """x with the odd zeros appended, and the even rest of the padding, which an operator adds without a copy.

    x: [B,C,...], with as many axes after these two as kernel and stride have.
    """
    pads = same_padding(x.shape[2:], kernel, stride)
    odd = [after - before for before, after in pads]
    if any(odd):
        x = F.pad(x, [amount for after in reversed(odd) for amount in (0, after)])  # F.pad counts axes from the last
    return x, tuple(before for before, _ in pads)


class MaxPool(nn.Module):
    """Max-pool with TF 'same' padding, [B,C,T,H,W] -> [B,C,T',H',W'].

    Its input comes from a ReLU, so it makes no difference whether padding is zero (as here on one side, and in the
    port) or minus infinity (as here on the other side, and in TensorFlow): no window is all padding.
    """

    def __init__(self, kernel: tuple[int, int, int], stride: tuple[int, int, int]) -> None:
        super().__init__()
        self.kernel, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        x, padding = pad_after(x, self.kernel, self.stride)
        return F.max_pool3d(x, self.kernel, self.stride, padding)


class Unit(nn.Module):
    """Convolution with TF 'same' padding, batch normalisation, ReLU: [B,C,T,H,W] -> [B,C',T',H',W']."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv3d = nn.Conv3d(inputs, outputs, kernel, stride, bias=False)
        self.bn = nn.BatchNorm3d(outputs, eps=BATCH_NORM_EPS)

    def forward(self, x: Tensor) -> Tensor:
        conv = self.conv3d
        if conv.kernel_size == (1, 1, 1):
            # Equal to a linear layer over the channels. On the CPU, F.conv3d would return to the default memory layout,
            # in which max-pools are slow: at a quarter of the width a window would take 31 ms instead of 17.
            x = F.linear(x.movedim(1, -1), conv.weight.flatten(1)).movedim(-1, 1)
        else:
            x, padding = pad_after(x, conv.kernel_size, conv.stride)
            x = F.conv3d(x, conv.weight, None, conv.stride, padding)
        return self.normalise(x)

    def normalise(self, x: Tensor) -> Tensor:
        """What follows the convolution."""
        return F.relu_(self.bn(x))


class Inception(nn.Module):
    """Four branches, concatenated over channels in this order. Time and space keep their size."""

    def __init__(self, inputs: int, b0: int, b1: tuple[int, int], b2: tuple[int, int], b3: int) -> None:
        super().__init__()
        self.b0 = Unit(inputs, b0, 1)
        self.b1a, self.b1b = Unit(inputs, b1[0], 1), Unit(b1[0], b1[1], 3)
        self.b2a, self.b2b = Unit(inputs, b2[0], 1), Unit(b2[0], b2[1], 3)
        self.b3a, self.b3b = MaxPool((3, 3, 3), (1, 1, 1)), Unit(inputs, b3, 1)
        self.outputs = b0 + b1[1] + b2[1] + b3

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.b0(x), self.b1b(self.b1a(x)), self.b2b(self.b2a(x)), self.b3b(self.b3a(x))], dim=1)


@MODELS.register_module()
class InceptionI3D(nn.Module):
    """[B,3,T,H,W] in [-0.5,0.5] -> the last map, [B,features,T/8,H/32,W/32], rounded up: 2x7x7 for 16 frames at 224 px.

    width: factor on every number of channels, rounded to multiples of 8; 1 = as published, 1024 features and 12,287,264
    parameters. Classifiers are mmaction2's heads; features are `average_pool` of the map.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = 3
        for name, outputs in STEM.items():
            self._pool_before(name)
            kernel, stride = int(name[-1]), 2 if name == "Conv3d_1a_7x7" else 1
            self.add_module(name, Unit(channels, scaled(outputs, width), kernel, stride))
            channels = scaled(outputs, width)
        for name, (b0, b1, b2, b3) in BLOCKS.items():
            self._pool_before(name)
            block = Inception(
                channels,
                scaled(b0, width),
                (scaled(b1[0], width), scaled(b1[1], width)),
                (scaled(b2[0], width), scaled(b2[1], width)),
                scaled(b3, width),
            )
            self.add_module(name, block)
            channels = block.outputs
        self.features = channels

    def _pool_before(self, name: str) -> None:
        if name in POOLS:
            self.add_module(f"pool_before_{name}", MaxPool(*POOLS[name]))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.children():
            x = layer(x)
        return x

    def stem(self) -> list[nn.Module]:
        """The layers before the first Inception block."""
        return list(self.children())[: -len(self.after_stem())]

    def after_stem(self) -> list[nn.Module]:
        """The first Inception block and the layers after it."""
        layers = dict(self.named_children())
        return list(layers.values())[list(layers).index(next(iter(BLOCKS))) :]

    def units(self) -> list[Unit]:
        """Every convolution with its normalisation, in the order of the modules."""
        return [module for module in self.modules() if isinstance(module, Unit)]


def average_pool(last_map: Tensor) -> Tensor:
    """[B,D,T,H,W] -> features [B,D]: the average pool (2,7,7), stride 1.

    For a larger map the mean over the pool's positions, for a smaller one (crops below 224 px) the mean of the map.
    """
    kernel = [min(most, size) for most, size in zip(AVERAGE, last_map.shape[2:], strict=True)]
    return F.avg_pool3d(last_map, kernel, stride=1).mean(dim=(2, 3, 4))


def build_recognizer(width: float) -> nn.Module:
    """mmaction2's Recognizer3D around an InceptionI3D, without a head.

    Its `mode="tensor"` call takes [B,1,3,T,H,W] (mmaction2's axis 1 is views of one video) and returns the last map.
    """
    fill_import_gaps()
    import mmaction.models  # noqa: F401  registers Recognizer3D; here because of the gaps, and because it takes seconds

    return MODELS.build(
        {
            "_scope_": "mmaction",  # mmpose, if used in the same process, leaves its own scope as the default
            "type": "Recognizer3D",
            "backbone": {"type": "InceptionI3D", "width": width},
            "data_preprocessor": {"type": "ActionDataPreprocessor"},
        }
    )
