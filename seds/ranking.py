"""Exact scores of one query against many stored sequences: the model's fine-grained similarity (SPEC 9).

seds.similarity computes it for padded batches; here sequences of every length lie end to end, one matrix product gives
the cosines of a block of them, and sums over each sequence are sums over runs of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seds.index import Sequences
from seds.similarity import TEMPERATURE

# Rows of tokens a block: at 512 columns 32 MB in float32, which stays near the processor.
BLOCK = 16_384


@dataclass(frozen=True)
class Query:
    """tokens: float32 [Q,D], each of length 1; the first `valid` are real, the rest is padding that takes part."""

    tokens: Tensor
    valid: int

    def pooled(self) -> Tensor:
        """[D]: the mean of the valid tokens."""
        return self.tokens[: self.valid].mean(0)


@torch.inference_mode()
def scores(query: Query, stored: Sequences, share: float, rows: Tensor | None = None) -> np.ndarray:
    """Scores in cosines, float32 [n], of all stored sequences or of those numbered `rows` (int64).

    share: weight of the direction in which each stored token picks tokens of the query; the other has 1 - share. For a
    sentence that searches videos it is the model's dual_mix, for a video that searches sentences 1 - dual_mix.
    """
    if rows is None:
        rows = torch.arange(len(stored))
    starts, lengths = stored.offsets[rows], stored.offsets[rows + 1] - stored.offsets[rows]
    ends = lengths.cumsum(0)
    result = np.empty(len(rows), np.float32)
    done = 0
    while done < len(rows):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(torch.searchsorted(ends, before + BLOCK, right=True)))
        part = slice(done, stop)
        tokens = _gather(stored.tokens, starts[part], lengths[part]).to(query.tokens.device).float()
        valid = stored.valid[rows[part]]
        result[part] = _scores(query, tokens, lengths[part], valid, share).cpu().numpy()
        done = stop
    return result


def _gather(tokens: Tensor, starts: Tensor, lengths: Tensor) -> Tensor:
    """The runs of rows of those starts and lengths, end to end; a view where they lie so already."""
    if torch.equal(starts[1:], (starts + lengths)[:-1]):
        return tokens[int(starts[0]) : int(starts[-1] + lengths[-1])]
    firsts = lengths.cumsum(0) - lengths
    return tokens[torch.arange(int(lengths.sum())) + (starts - firsts).repeat_interleave(lengths)]


def _scores(query: Query, tokens: Tensor, lengths: Tensor, valid: Tensor, share: float) -> Tensor:
    """tokens: float32 [N,D], sequences of `lengths` [n] end to end, the first `valid` [n] of each real -> [n]."""
    lengths, valid = lengths.to(tokens.device), valid.to(tokens.device)
    cosines = tokens @ query.tokens.T  # [N,Q]
    weights = torch.exp(cosines / TEMPERATURE)  # at most e^(1/0.07), 1.6 million: no need to subtract a maximum
    weighted = cosines * weights
    picked = weighted.sum(1) / weights.sum(1)  # [N]: each stored token picks among the query's
    if not torch.equal(lengths, valid):  # padding picks nothing, though it can be picked
        places = torch.arange(len(picked), device=picked.device) - (lengths.cumsum(0) - lengths).repeat_interleave(
            lengths
        )
        picked = picked * (places < valid.repeat_interleave(lengths))
    stored_picks = _sums(picked, lengths) / valid
    query_picks = (_sums(weighted, lengths) / _sums(weights, lengths))[:, : query.valid].mean(1)
    return share * stored_picks + (1 - share) * query_picks


def _sums(values: Tensor, lengths: Tensor) -> Tensor:
    """Sums over runs of rows: [N,...] -> [n,...]."""
    return torch.segment_reduce(values, "sum", lengths=lengths, axis=0)
