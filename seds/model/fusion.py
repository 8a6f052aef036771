"""Fuses pose and RGB tokens (SPEC 8): by a perceptron alone, or after Cross Gloss Attention, in which each stream
attends to a few sampled positions of the other, near its own time.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.model.towers import quick_gelu

FIRST_REFERENCE = {
    5: -3,
    3: -2,
}  # keys -> first position sampled; the published windows -3..1 and -2..0 look back further


class GlossAttention(nn.Module):
    """Attention over `keys` positions per query, near its own time and shifted by learned offsets.

    The published attention, including its quirks, since released weights were trained with them: positions wrap around
    at the number of windows although a class token comes first; two grid conventions, mixed, stretch a position by
    65/64 and shift it back by half a step; sampling between two rows of a map that is one row high halves every sample.
    """

    def __init__(self, width: int, heads: int, keys: int, positions: int, dropout: float) -> None:
        """positions: 1 + the maximum number of windows, 65 as published. Raises ValueError for unknown sizes."""
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        if keys not in FIRST_REFERENCE:
            raise ValueError(f"{keys} sampled keys; windows are defined for {', '.join(map(str, FIRST_REFERENCE))}")
        self.heads, self.keys, self.dropout = heads, keys, dropout
        self.stretch = positions / (positions - 1)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.offsets = nn.Linear(width, heads * keys)
        self.out = nn.Linear(width, width)

    def forward(self, key: Tensor, value: Tensor, query: Tensor, valid: Tensor, masked: bool) -> Tensor:
        """key, value, query: [B, T, D]; valid: bool [B, T], class token first -> [B, T, D].

        masked: samples that fall on padding are zero, as outside the map; otherwise padding is sampled.
        """
        batch, length, width = query.shape
        split = (batch, length, self.heads, width // self.heads)
        q = self.query(query)
        k, v = self.key(key), self.value(value)
        if masked:
            k, v = k * valid[:, :, None], v * valid[:, :, None]
        positions = self.sampling_positions(self.offsets(q), valid)  # [B, H, T, n]
        q = q.view(split).transpose(1, 2)
        k = k.view(split).transpose(1, 2)
        v = v.view(split).transpose(1, 2)

        # Interpolation is linear, so it can be applied to the scores of whole keys and to the weights of whole values.
        scores = F.pad(q @ k.transpose(-1, -2) / math.sqrt(width // self.heads), (1, 1))  # [B, H, T, 1 + T + 1]
        left = positions.detach().nan_to_num().floor()  # a NaN may stay in `fraction`, but not in an index
        fraction = positions - left  # weight of the right neighbour
        index = left.long() + 1  # positions lie in [-0.5, T - 0.5]: one column of zeros at each end suffices
        near, far = scores.gather(-1, index), scores.gather(-1, index + 1)
        attention = F.softmax(0.5 * torch.lerp(near, far, fraction), -1)
        attention = 0.5 * F.dropout(attention, self.dropout, self.training)
        weights = torch.zeros_like(scores).scatter_add(-1, index, attention * (1 - fraction))
        weights = weights.scatter_add(-1, index + 1, attention * fraction)[..., 1:-1]
        return self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))

    def sampling_positions(self, offsets: Tensor, valid: Tensor) -> Tensor:
        """Where each query samples the key sequence, in rows. offsets: [B, T, H n], valid: [B, T] -> [B, H, T, n]."""
        batch, length, _ = offsets.shape
        offsets = offsets.view(batch, length, self.heads, self.keys).transpose(1, 2)
        reference = torch.arange(self.keys, device=offsets.device) + FIRST_REFERENCE[self.keys]
        at = torch.arange(length, device=offsets.device)[:, None] + reference  # [T, n]
        windows = valid[:, 1:].sum(1).clamp(min=1)[:, None, None, None]
        return torch.remainder(offsets + at, windows) * self.stretch - 0.5


class FusionLayer(nn.Module):
    """h = x + attention of y on LN(x); h + feed-forward(LN(h))."""

    def __init__(self, width: int, heads: int, keys: int, positions: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.attention = GlossAttention(width, heads, keys, positions, dropout)
        self.feedforward_norm = nn.LayerNorm(width, eps=1e-6)
        self.expand = nn.Linear(width, feedforward)
        self.contract = nn.Linear(feedforward, width)
        self.dropout = dropout

    def forward(self, x: Tensor, y: Tensor, valid: Tensor, masked: bool) -> Tensor:
        """x: the stream itself, y: the other, [B, T, D] -> [B, T, D]. As published, x is the keys, y the queries."""
        attended = self.attention(key=self.norm(x), value=y, query=y, valid=valid, masked=masked)
        h = x + F.dropout(attended, self.dropout, self.training)
        inner = F.dropout(F.relu(self.expand(self.feedforward_norm(h))), self.dropout, self.training)
        return h + F.dropout(self.contract(inner), self.dropout, self.training)


class MlpFusion(nn.Module):
    """Pose and RGB tokens -> fused tokens, each position by itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix_1 = nn.Linear(2 * width, 4 * width)
        self.mix_2 = nn.Linear(4 * width, 2 * width)
        self.mix_3 = nn.Linear(2 * width, width)
        self.mix_norm = nn.LayerNorm(width, eps=1e-12)

    def mix(self, pose: Tensor, rgb: Tensor) -> Tensor:
        """LayerNorm of perceptron(pose, rgb) + pose + rgb. pose, rgb: [B, T, D] -> [B, T, D]."""
        mixed = quick_gelu(self.mix_1(torch.cat([pose, rgb], -1)))
        mixed = self.mix_3(quick_gelu(self.mix_2(mixed)))
        return self.mix_norm(mixed + pose + rgb)

    def forward(self, pose: Tensor, rgb: Tensor, valid: Tensor, masked: bool) -> Tensor:
        """pose, rgb: [B, T, D]; valid, masked: as for GlossFusion, unused -> [B, T, D]."""
        return self.mix(pose, rgb)


class GlossFusion(MlpFusion):
    """Cross Gloss Attention Fusion: the perceptron mixes the streams after each has attended to the other."""

    position: Tensor

    def __init__(
        self, width: int, heads: int, keys: tuple[int, ...], positions: int, feedforward: int, dropout: float
    ) -> None:
        """keys: sampled per query, of each layer; positions: see GlossAttention; feedforward: width inside a layer."""
        super().__init__(width)

        def layers() -> nn.ModuleList:
            return nn.ModuleList([FusionLayer(width, heads, n, positions, feedforward, dropout) for n in keys])

        self.pose_layers, self.rgb_layers = layers(), layers()
        self.pose_norm = nn.LayerNorm(width, eps=1e-6)
        self.rgb_norm = nn.LayerNorm(width, eps=1e-6)
        self.register_buffer("position", sinusoid(positions, width), persistent=False)

    def forward(self, pose: Tensor, rgb: Tensor, valid: Tensor, masked: bool) -> Tensor:
        """pose, rgb: [B, T, D]; valid: bool [B, T], class token first -> [B, T, D]. masked: see GlossAttention."""
        position = self.position[: pose.shape[1]]
        p, r = pose + position, rgb + position
        for pose_layer, rgb_layer in zip(self.pose_layers, self.rgb_layers, strict=True):
            p, r = pose_layer(p, r, valid, masked), rgb_layer(r, p, valid, masked)
        return self.mix(self.pose_norm(p), self.rgb_norm(r)) + pose + rgb


def sinusoid(positions: int, width: int) -> Tensor:
    """The position table of Vaswani et al. (NeurIPS 2017), alternating sine and cosine; float32 [positions, width]."""
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(10000.0) / width))
    angle = torch.arange(positions, dtype=torch.float32)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
