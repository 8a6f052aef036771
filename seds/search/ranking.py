"""Exact scores of one query against many stored sequences: the model's fine-grained similarity (SPEC 9).

seds.model.similarity computes it for padded batches; here sequences of every length lie end to end, one matrix product
gives the cosines of a block of them, and sums over each sequence are sums over runs of rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from seds.index.store import Sequences
from seds.model.similarity import TEMPERATURE

BLOCK = 4_096  # rows of tokens: at 512 columns 8 MB in float32, which a processor's cache holds


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
    starts, stops = stored.offsets[rows], stored.offsets[rows + 1]
    lengths = stops - starts
    ends = lengths.cumsum(0)
    # Float32 copies of a block's tokens, one place for all blocks: fresh memory takes longer than what is computed.
    room = torch.empty(max(BLOCK, int(lengths.max())), stored.tokens.shape[1])
    result = np.empty(len(rows), np.float32)
    done = 0
    while done < len(rows):
        before = int(ends[done - 1]) if done else 0
        stop = max(done + 1, int(torch.searchsorted(ends, before + BLOCK, right=True)))
        part = slice(done, stop)
        tokens = _gathered(room, stored.tokens, starts[part], stops[part]).to(query.tokens.device)
        result[part] = _scores(query, tokens, lengths[part], stored.valid[rows[part]], share).cpu().numpy()
        done = stop
    return result


def _gathered(room: Tensor, tokens: Tensor, starts: Tensor, stops: Tensor) -> Tensor:
    """The runs of rows from `starts` to `stops`, end to end in `room`, of which it is a part."""
    joints = torch.ones(len(starts) + 1, dtype=torch.bool)
    joints[1:-1] = starts[1:] != stops[:-1]  # sequences that lie one after the other are one run
    filled = 0
    for start, stop in zip(starts[joints[:-1]].tolist(), stops[joints[1:]].tolist(), strict=True):
        room[filled : filled + stop - start] = tokens[start:stop]
        filled += stop - start
    return room[:filled]


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
