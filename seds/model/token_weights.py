"""Learned weights of tokens, which take the place of means in a similarity (UPRet, ECCV 2024)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class TokenWeights(nn.Module):
    """A perceptron that scores each token by itself; a softmax over the valid ones makes weights of the scores."""

    def __init__(self, embed: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(embed, embed)
        self.score = nn.Linear(embed, 1)

    def forward(self, tokens: Tensor, valid: Tensor) -> Tensor:
        """tokens: L2-normalised, [B, T, D]; valid: bool [B, T] -> [B, T], 0 where not valid, 1 in sum."""
        scores = self.score(F.relu(self.hidden(tokens)))[..., 0]
        return scores.masked_fill(~valid, -torch.inf).softmax(-1)
