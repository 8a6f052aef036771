"""The contrastive loss of a matrix of logits, with label smoothing and hard negatives."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def contrastive(
    logits: Tensor, not_negatives: Tensor | None = None, smoothing: float = 0.0, hardness: float = 0.0
) -> Tensor:
    """Mean over rows a of -log softmax(row a)[a]. logits: [B, B]; not_negatives: bool [B, B], not in the softmax.

    smoothing: share of the target that is spread evenly over all that is in the softmax (C2RL has 0.2). hardness: beta
    of `harder`.
    """
    if not smoothing and not hardness:
        if not_negatives is not None:
            logits = logits.masked_fill(not_negatives, -torch.inf)
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
    out = torch.zeros_like(logits, dtype=torch.bool) if not_negatives is None else not_negatives
    if hardness:
        logits = harder(logits, out, hardness)
    log_p = logits.masked_fill(out, -torch.inf).log_softmax(1)
    even = log_p.masked_fill(out, 0).sum(1) / (~out).sum(1)
    return -((1 - smoothing) * log_p.diagonal() + smoothing * even).mean()


def harder(logits: Tensor, not_negatives: Tensor, hardness: float) -> Tensor:
    """Logits l in whose softmax a negative j of row i counts w_ij times: w_ij = n e^(b l_ij) / sum of e^(b l_ik) over
    the row's n negatives k. So HN-NCE weighs them, with alpha = 1 (Radenovic et al., CVPR 2023; CSLR2, ECCV 2024).

    logits: [B, B], the pair of row i in column i; not_negatives: bool [B, B], left as they are; hardness: b.
    """
    negatives = ~not_negatives & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    counts = negatives.sum(1, keepdim=True)
    # A row without negatives is left as it is; minus infinity throughout would give it a gradient of NaN.
    among = (hardness * logits).masked_fill(~negatives & (counts > 0), -torch.inf)
    log_weights = counts.clamp(min=1).to(logits.dtype).log() + hardness * logits - among.logsumexp(1, keepdim=True)
    return torch.where(negatives, logits + log_weights, logits)
