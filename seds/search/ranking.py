"""Exact scores of one query against many stored sequences: the model's fine-grained similarity (SPEC 9).

seds.model.similarity computes it for padded batches. Here sequences of all lengths are stored end to end: one matrix
product gives the cosines of a block of them, and a sum over a sequence is a sum over consecutive rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seds.index.joined import TokenRows
from seds.index.store import Sequences
from seds.model.similarity import TEMPERATURE

BLOCK = 4_096  # tokens; with 512 columns 8 MB in float32, which fits a processor's cache


@dataclass(frozen=True)
class Query:
    """tokens: float32 [Q,D], unit vectors; the first `valid` are real, the rest is padding that takes part. weights:
    float32 [Q], what each counts for, 1 in sum; None = all real ones alike.
    """

    tokens: Tensor
    valid: int
    weights: Tensor | None = None

    def pooled(self) -> Tensor:
        """[D]: the mean of the valid tokens."""
        return self.tokens[: self.valid].mean(0)


@torch.inference_mode()
def scores(query: Query, stored: Sequences, mix: float, rows: Tensor | None = None) -> np.ndarray:
    """Scores (cosines, without the model's scale), float32 [n], of all stored sequences or of `rows` (int64 indices).

    mix: weight of the direction in which each stored token attends to the query's tokens; the other direction has
    1 - mix. For a sentence that searches videos it is the model's dual_mix, for the reverse 1 - dual_mix.
    """
    if rows is None:
        rows = torch.arange(len(stored))
    starts, stops = stored.offsets[rows], stored.offsets[rows + 1]
    lengths = stops - starts
    ends = lengths.cumsum(0)
    # Holds the float32 tokens of each block in turn: allocating it anew would take longer than the computation.
    buffer = torch.empty(max(BLOCK, int(lengths.max())), stored.tokens.shape[1])
    result = np.empty(len(rows), np.float32)
    done = 0
    while done < len(rows):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(torch.searchsorted(ends, before + BLOCK, right=True)))
        part = slice(done, stop)
        tokens = _gather(buffer, stored.tokens, starts[part], stops[part]).to(query.tokens.device)
        weights = None
        if stored.weights is not None:
            pieces = zip(starts[part].tolist(), stops[part].tolist(), strict=True)
            weights = torch.cat([stored.weights[start:end] for start, end in pieces]).to(tokens.device)
        result[part] = _scores(query, tokens, lengths[part], stored.valid[rows[part]], weights, mix).cpu().numpy()
        done = stop
    return result


def _gather(buffer: Tensor, tokens: TokenRows, starts: Tensor, stops: Tensor) -> Tensor:
    """Copy the rows from each start to its stop into `buffer`, end to end. Returns the part that is filled."""
    breaks = torch.ones(len(starts) + 1, dtype=torch.bool)
    breaks[1:-1] = starts[1:] != stops[:-1]  # adjacent sequences are copied together
    filled = 0
    for start, stop in zip(starts[breaks[:-1]].tolist(), stops[breaks[1:]].tolist(), strict=True):
        buffer[filled : filled + stop - start] = tokens[start:stop]
        filled += stop - start
    return buffer[:filled]


def _scores(
    query: Query, tokens: Tensor, lengths: Tensor, valid: Tensor, token_weights: Tensor | None, mix: float
) -> Tensor:
    """tokens: float32 [N,D], sequences of `lengths` [n] end to end, the first `valid` [n] of each real -> [n].

    token_weights: [N], what each counts for in its sequence; None = all real ones alike.
    """
    lengths, valid = lengths.to(tokens.device), valid.to(tokens.device)
    cosines = tokens @ query.tokens.T  # [N,Q]
    weights = torch.exp(cosines / TEMPERATURE)  # at most e^(1/0.07), 1.6 million: no need to subtract a maximum
    weighted = cosines * weights
    attended = weighted.sum(1) / weights.sum(1)  # [N]: of each stored token
    if token_weights is not None:  # 0 for padding
        attended = attended * token_weights
    elif not torch.equal(lengths, valid):  # padding attends to nothing, though it is attended to
        first = (lengths.cumsum(0) - lengths).repeat_interleave(lengths)
        position = torch.arange(len(attended), device=attended.device) - first
        attended = attended * (position < valid.repeat_interleave(lengths))
    stored_to_query = _sums(attended, lengths) / (valid if token_weights is None else 1)
    picked = _sums(weighted, lengths) / _sums(weights, lengths)  # [n,Q], by each token of the query
    query_to_stored = picked[:, : query.valid].mean(1) if query.weights is None else picked @ query.weights
    return mix * stored_to_query + (1 - mix) * query_to_stored


def _sums(values: Tensor, lengths: Tensor) -> Tensor:
    """Sums over consecutive rows: [N,...] -> [n,...]."""
    return torch.segment_reduce(values, "sum", lengths=lengths, axis=0)
