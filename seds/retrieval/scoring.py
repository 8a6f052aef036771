"""Similarities of many videos and sentences; one matrix product of their tokens serves both directions.

With x = <video token, text token> / 0.07, the soft choice of seds.model.similarity is sum(e^x x) / sum(e^x), along the
text for I2T and along the video for T2I. Both are sums of the same two arrays. |x| is at most 1 / 0.07, since tokens
are normalised, and e^14.3 = 1.6e6 leaves room in float32 for the sums, so no maximum has to be subtracted first.

Sequences of similar lengths form a group, with positions as the first axis, so that a sum over a sequence adds whole
rows. The little padding that a group has cannot be chosen. In `published` numerics it can, so there groups are formed
in the given order, with all padding.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.model.similarity import DUAL_MIX, TEMPERATURE, Tokens

# A block has the products of a group of videos and a group of texts: 8 x 65 x 32 x 32 floats are 2 MB. A few such
# arrays fit into a core's cache; on CUDA larger ones hide the time that launching a kernel takes.
VIDEOS, TEXTS = 8, 32
CUDA_VIDEOS, CUDA_TEXTS = 32, 256
_WASTE = 0.1  # share of a group that may be padding; rather than exceed it, a group is smaller


@dataclass(frozen=True)
class Group:
    """N sequences, padded to the longest T of them.

    rows: int64 [N], of the sequences in their set. values: normalised tokens [T, N, D]. weights: [T, N], of each token
    in its sequence's mean, 0 for padding. hidden: int64, the indices into [T N] of tokens that cannot be chosen.
    """

    rows: Tensor
    values: Tensor
    weights: Tensor
    hidden: Tensor


def groups(tokens: Tokens, size: int, masked: bool, device: torch.device | str) -> Iterator[Group]:
    """The sequences in groups of at most `size`, by length, or in their order if padding can be chosen (not `masked`).

    tokens: not yet normalised; in each sequence the valid ones come first.
    """
    lengths = tokens.valid.sum(1).cpu()
    order = torch.argsort(lengths, stable=True) if masked else torch.arange(len(lengths))
    for rows in _cut(order, lengths, size, masked):
        longest = int(lengths[rows].max()) if masked else tokens.values.shape[1]
        valid = tokens.valid[rows, :longest].T.to(device)
        values = F.normalize(tokens.values[rows, :longest].to(device).transpose(0, 1), dim=-1)
        hidden = (~valid).flatten().nonzero()[:, 0] if masked else rows.new_empty(0, device=device)
        if tokens.weights is None:
            weights = valid.to(values.dtype) / valid.sum(0)
        else:
            weights = tokens.weights[rows, :longest].T.to(device, values.dtype)
        yield Group(rows.to(device), values.contiguous(), weights, hidden)


def _cut(order: Tensor, lengths: Tensor, size: int, masked: bool) -> list[Tensor]:
    """`order`, shortest first, in pieces of at most `size`; if masked, each with at most a share _WASTE of padding."""
    if not masked:
        return list(order.split(size))
    pieces, start, tokens = [], 0, 0
    for end, length in enumerate(lengths[order].tolist()):
        count = end - start + 1
        if count > size or tokens + length < (1 - _WASTE) * length * count:
            pieces.append(order[start:end])
            start, tokens = end, 0
        tokens += length
    return [*pieces, order[start:]]


def compare(video: Group, text: Group) -> tuple[Tensor, Tensor]:
    """I2T and T2I of every video of a group and every text of another, [A, B] each, unscaled. Without gradients."""
    positions, videos = video.weights.shape
    words, texts = text.weights.shape
    x = (video.values.flatten(0, 1) / TEMPERATURE) @ text.values.flatten(0, 1).T  # [I A, L B]
    weight = x.exp()
    weight.index_fill_(0, video.hidden, 0).index_fill_(1, text.hidden, 0)
    x = x.mul_(weight).view(positions, videos, words, texts)
    weight = weight.view(x.shape)
    # If everything is hidden, 0 / 0 has to be 0; such a token has weight 0 in the mean.
    least = torch.finfo(x.dtype).tiny
    by_words = x.sum(2) / weight.sum(2).clamp_(min=least)  # [I, A, B], what each video token chooses
    by_windows = x.sum(0) / weight.sum(0).clamp_(min=least)  # [A, L, B]
    i2t = torch.einsum("iab,ia->ab", by_words, video.weights)
    t2i = torch.einsum("alb,lb->ab", by_windows, text.weights)
    return TEMPERATURE * i2t, TEMPERATURE * t2i


class Sentences:
    """A set of texts that videos are compared with, a few at a time. The groups of the texts are formed once."""

    def __init__(self, tokens: Tokens, masked: bool, device: torch.device | str) -> None:
        """tokens: [S, L, D], not yet normalised. masked: padding cannot be chosen (seds.model.similarity)."""
        self.count, self.masked, self.device = len(tokens.valid), masked, torch.device(device)
        cuda = self.device.type == "cuda"
        self._videos = CUDA_VIDEOS if cuda else VIDEOS
        self._groups = list(groups(tokens, CUDA_TEXTS if cuda else TEXTS, masked, device))

    @torch.no_grad()
    def scores(self, video: Tokens, dual_mix: float = DUAL_MIX) -> Tensor:
        """[V, S] on the device: dual_mix x I2T + (1 - dual_mix) x T2I, unscaled. video: [V, T, D], not normalised."""
        result = video.values.new_empty((len(video.valid), self.count), device=self.device)
        pairs = product(groups(video, self._videos, self.masked, self.device), self._groups)

        @torch.inference_mode()  # which each thread has to enter by itself
        def fill(pair: tuple[Group, Group]) -> None:
            videos, texts = pair
            i2t, t2i = compare(videos, texts)
            result[videos.rows[:, None], texts.rows] = dual_mix * i2t + (1 - dual_mix) * t2i

        threads = torch.get_num_threads()
        if self.device.type == "cuda" or threads == 1:
            for pair in pairs:
                fill(pair)
            return result
        # A pair a thread: threads that share one wait for each other after every operation. Where they spin meanwhile
        # (seds.system.threads), another busy process makes two of them 12 times as slow as one.
        try:
            with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
                for _ in pool.map(fill, pairs):
                    pass
        finally:
            torch.set_num_threads(threads)  # where they do matrix products, the pool's number is everyone's
        return result
