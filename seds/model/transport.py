"""Gaussian tokens and their optimal transport, in training alone (UPRet, ECCV 2024).

Each token becomes a Gaussian; two samples of a sequence, their means over its tokens, are one end of a transport whose
other end are the two samples of a text. Differs from UPRet in that padding takes no part under the default numerics,
and in the scale of attention, which there is that of 8 times the width.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

REGULARISATION = 0.1  # of the transport
ITERATIONS = 100  # at most
STEADY = 1e-2  # mean change of the row factors at which they end
DROPOUT = 0.1
FEEDFORWARD = 4  # times the width


class GaussianTokens(nn.Module):
    """A mean and a log deviation for each token, by one layer of self-attention over its sequence.

    noise: draws what samples are made of, in the shape of the tensor it is given.
    """

    def __init__(self, embed: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before = nn.Linear(embed, embed)
        self.ln = nn.LayerNorm(embed)
        self.qkv = nn.Linear(embed, 3 * embed)
        half = embed // 2
        self.mean, self.log_deviation = nn.Linear(half, embed), nn.Linear(embed - half, embed)
        self.mean_mlp, self.deviation_mlp = _perceptron(embed), _perceptron(embed)
        self.noise: Callable[[Tensor], Tensor] = torch.randn_like

    def forward(self, x: Tensor, valid: Tensor, masked: bool) -> tuple[Tensor, Tensor]:
        """x: [B, T, D]; valid: bool [B, T]; masked: padding takes no part -> mean and log deviation, [B, T, D] each."""
        h = self.ln(F.gelu(self.before(x)))
        q, k, v = self.qkv(h).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)  # [B, H, T, D / H] each
        mask = valid[:, None, None, :] if masked else None
        attended = F.scaled_dot_product_attention(q, k, v, mask).transpose(1, 2).flatten(2)
        half = self.mean.in_features
        mean = x + self.mean(attended[..., :half])
        log_deviation = self.log_deviation(attended[..., half:])
        return mean + self.mean_mlp(mean), log_deviation + self.deviation_mlp(log_deviation)

    def samples(self, x: Tensor, valid: Tensor, masked: bool, skipped: int = 0) -> Tensor:
        """[B, 2, D]: of each sequence the mean over its valid tokens of their means, and of a draw; L2-normalised.

        skipped: first tokens that the means leave out.
        """
        mean, log_deviation = self(x, valid, masked)
        drawn = mean + log_deviation.exp() * self.noise(mean)
        valid = valid & (torch.arange(valid.shape[1], device=valid.device) >= skipped)
        shares = valid.to(x.dtype) / valid.sum(1, keepdim=True)
        both = torch.stack([mean, drawn], 1)  # [B, 2, T, D]
        return F.normalize((both * shares[:, None, :, None]).sum(2), dim=-1)


def _perceptron(width: int) -> nn.Sequential:
    wide = FEEDFORWARD * width
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, wide),
        nn.GELU(),
        nn.Dropout(DROPOUT),
        nn.Linear(wide, width),
        nn.Dropout(DROPOUT),
    )


def heads_of(embed: int) -> int:
    """Attention heads: 8 as published, or fewer in a width that 8 does not divide."""
    return math.gcd(embed, 8)


def similarity(video: Tensor, text: Tensor) -> Tensor:
    """How much of their cosines the best transport keeps: [A, S, D], [B, S, D], both L2-normalised -> [A, B].

    1/2 (mean over the text's samples t of max over v of T_vt cos_vt + mean over v of max over t), T the transport.
    """
    cosines = torch.einsum("avd,btd->abvt", video, text)
    moved = transport(1 - cosines.detach()) * cosines
    return 0.5 * (moved.amax(2).mean(2) + moved.amax(3).mean(2))


@torch.no_grad()
def transport(cost: Tensor) -> Tensor:
    """Plans of entropy-regularised transport between even marginals, by Sinkhorn's iterations. cost: [..., S, S]."""
    kernel = torch.exp(-cost / REGULARISATION)
    marginal = 1 / cost.shape[-1]
    rows = columns = torch.ones_like(cost[..., 0])
    for _ in range(ITERATIONS):
        before = rows
        rows = marginal / (kernel @ columns[..., None])[..., 0]
        columns = marginal / (kernel.mT @ rows[..., None])[..., 0]
        if (rows - before).abs().mean() < STEADY:
            break
    return rows[..., :, None] * kernel * columns[..., None, :]
