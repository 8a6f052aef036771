"""CLIP's transformers over window features and over words (Radford et al., ICML 2021; SPEC 7)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.model.recompute import checkpointed


class Attention(nn.Module):
    """Multi-head self-attention.

    On a GPU torch chooses the kernel: flash attention, which takes no masks, for a causal sequence, and
    memory-efficient attention, which takes a bool mask, where there is padding.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of {heads} heads")
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: [B, T, D]; mask: bool, broadcastable to [B, heads, T, T], True = visible; None = causal. -> [B, T, D]."""
        batch, length, width = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)  # [B, heads, T, D / heads]
        return self.out(y.transpose(1, 2).reshape(batch, length, width))


class Block(nn.Module):
    """Pre-norm residual block with CLIP's QuickGELU, x sigmoid(1.702 x)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.ln_2 = nn.LayerNorm(width)
        self.expand = nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: [B, T, D]; mask: as for Attention -> [B, T, D]."""
        x = x + self.attention(self.ln_1(x), mask)
        return x + self.contract(quick_gelu(self.expand(self.ln_2(x))))


class Blocks(nn.ModuleList):
    """Blocks in sequence. checkpointing: in training, each keeps only its input (seds.model.recompute)."""

    def __init__(self, width: int, layers: int, heads: int) -> None:
        super().__init__([Block(width, heads) for _ in range(layers)])
        self.checkpointing = False

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """x: [B, T, D]; mask: as for Attention -> [B, T, D]."""
        for block in self:
            x = checkpointed(block, x, mask) if self.checkpointing else block(x, mask)
        return x


def quick_gelu(x: Tensor) -> Tensor:
    """Sigmoid approximation of GELU (Hendrycks & Gimpel 2016) that CLIP was trained with, x sigmoid(1.702 x).

    Written as SiLU, for which autograd keeps one tensor instead of two.
    """
    return F.silu(1.702 * x) / 1.702


class SequenceTower(nn.Module):
    """CLIP's visual transformer over window features in place of image patches."""

    def __init__(self, inputs: int, length: int, width: int, layers: int, heads: int, embed: int) -> None:
        """length: maximum number of windows; the class token takes one more position."""
        super().__init__()
        self.input = nn.Linear(inputs, width, bias=False)
        self.class_embedding = nn.Parameter(torch.zeros(width))
        self.positional_embedding = nn.Parameter(torch.zeros(length + 1, width))
        self.ln_pre = nn.LayerNorm(width)
        self.blocks = Blocks(width, layers, heads)
        self.ln_post = nn.LayerNorm(width)
        self.projection = nn.Parameter(torch.zeros(width, embed))

    def forward(self, windows: Tensor, valid: Tensor) -> Tensor:
        """windows: [B, V, inputs]; valid: bool [B, 1 + V], class token first -> [B, 1 + V, embed].

        Padding is visible to no position; what the padding positions return is defined but meaningless. Raises
        ValueError for more windows than `length`.
        """
        batch, length, _ = windows.shape
        if length >= len(self.positional_embedding):
            raise ValueError(f"{length} windows, but the tower has {len(self.positional_embedding) - 1} positions")
        x = torch.cat([self.class_embedding.expand(batch, 1, -1), self.input(windows)], 1)
        x = self.ln_pre(x + self.positional_embedding[: length + 1])
        x = self.blocks(x, valid[:, None, None, :])
        return self.ln_post(x) @ self.projection


class TextTower(nn.Module):
    """CLIP's causal text transformer; every token is projected, not only the last."""

    def __init__(self, vocabulary: int, context: int, width: int, layers: int, heads: int, embed: int) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.positional_embedding = nn.Parameter(torch.zeros(context, width))
        self.blocks = Blocks(width, layers, heads)
        self.ln_final = nn.LayerNorm(width)
        self.projection = nn.Parameter(torch.zeros(width, embed))

    def forward(self, ids: Tensor) -> Tensor:
        """ids: int64 [B, L] -> [B, L, embed]. Raises ValueError for more tokens than the context."""
        length = ids.shape[1]
        if length > len(self.positional_embedding):
            raise ValueError(f"{length} tokens, but the text tower has {len(self.positional_embedding)} positions")
        x = self.token_embedding(ids) + self.positional_embedding[:length]
        return self.ln_final(self.blocks(x, None)) @ self.projection
