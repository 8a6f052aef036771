"""Losses that other methods of the field add to those of SEDS (docs/methods.md): captions, signs, substitutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.model import transport
from seds.model.captioner import Captioner
from seds.model.contrast import contrastive
from seds.model.distributed import all_sum, gather, rank
from seds.model.heads import TEXT, Heads
from seds.model.recompute import in_micro_batches
from seds.model.similarity import TEMPERATURE, Tokens, soft_choice

SIGN_HARDNESS = 0.5  # beta of HN-NCE of single signs, as CSLR2 has it


@dataclass(frozen=True)
class SignRows:
    """N signs of the videos of a batch. labels: int64 [N], the row of `ids` that names each."""

    rows: Tensor  # int64 [N], ascending, of the whole batch, those of other processes too
    first: Tensor  # int64 [N], of the video's tokens the first that shows the sign
    stop: Tensor  # int64 [N], one past the last
    labels: Tensor
    ids: Tensor  # int64 [U, L], the distinct labels as texts


@dataclass(frozen=True)
class Substitutes:
    """Captions almost like those of this process's rows."""

    ids: Tensor  # int64 [B, K, L]
    real: Tensor  # bool [B, K], False = any text in the place of one that could not be made


@dataclass(frozen=True)
class Extras:
    """What the added losses read beside a batch. None = not needed."""

    substitutes: Substitutes | None = None
    signs: SignRows | None = None


def caption_loss(
    captioner: Captioner, tokens: Tensor, valid: Tensor, ids: Tensor, micro_batch: int | None = None
) -> Tensor:
    """Mean over the words of all processes. tokens: [B, T, D]; valid: bool [B, T]; ids: int64 [B, L]."""
    sums, counts = in_micro_batches(captioner, micro_batch, tokens, valid, ids)
    total, count = all_sum(torch.stack([sums.sum(), counts.sum().to(sums.dtype)])).unbind()
    return total / count


def sign_loss(video: Tokens, words: Tokens, signs: SignRows, counts: Sequence[int]) -> Tensor:
    """HN-NCE of single signs and their labels, in both directions; signs with one label are no negatives (CSLR2).

    A sign is the mean of the tokens that show it. video: of this process's rows; words: of signs.ids, in all processes
    alike; counts: rows of each process. 0 where the batch has no signs.
    """
    if not len(signs.rows):
        return video.values.sum() * 0 + words.values.sum() * 0
    bounds = [0, *accumulate(counts)]
    of_process = [int(((signs.rows >= start) & (signs.rows < stop)).sum()) for start, stop in pairwise(bounds)]
    start = sum(of_process[: rank()])
    here = slice(start, start + of_process[rank()])
    rows = signs.rows[here] - bounds[rank()]
    positions = torch.arange(video.values.shape[1], device=rows.device)
    shown = (positions >= signs.first[here, None]) & (positions < signs.stop[here, None])  # [n, T]
    shown = shown.to(video.values.dtype)
    vectors = F.normalize((video.values[rows] * shown[..., None]).sum(1), dim=-1)
    vectors = gather(vectors, of_process)
    named = words.valid.to(words.values.dtype)
    names = F.normalize((words.values * named[..., None]).sum(1), dim=-1)[signs.labels]
    logits = vectors @ names.T / TEMPERATURE
    same = signs.labels[:, None] == signs.labels
    same &= ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    return 0.5 * sum(
        (contrastive(matrix, same, hardness=SIGN_HARDNESS) for matrix in (logits, logits.T)), logits.new_zeros(())
    )


def substitute_loss(
    video: Tokens,
    text: Tokens,
    others: Tokens,
    real: Tensor,
    scale: Tensor,
    mix: float,
    masked: bool,
    counts: Sequence[int],
    micro_batch: int | None = None,
) -> Tensor:
    """Cross entropy of each video's own text among K others, which no other video is compared with (SAN, ACL 2026).

    video: [B, T, D]; text: [B, L, D]; others: [B K, L', D], those of a video together; real: bool [B, K], False = there
    is none. scale, mix: of the similarities. The mean is over the videos of all processes.
    """
    rows, count = real.shape
    weighed = video.weights is not None

    def compare(values: Tensor, valid: Tensor, *rest: Tensor) -> tuple[Tensor]:
        parts = iter(rest)
        weights = next(parts) if weighed else None
        own = Tokens(values, valid, weights)
        scores = [
            own_similarity(own, Tokens(next(parts), next(parts), next(parts) if weighed else None), mix, masked)
            for _ in range(2)
        ]
        return (torch.cat(scores, 1),)

    tensors = [video.values, video.valid, *([] if video.weights is None else [video.weights])]
    for texts, each in ((text, 1), (others, count)):
        of_rows = [texts.values, texts.valid, *([] if texts.weights is None else [texts.weights])]
        tensors += [tensor.unflatten(0, (rows, each)) for tensor in of_rows]
    (scores,) = in_micro_batches(compare, micro_batch, *tensors)
    logits = (scale * scores).masked_fill(F.pad(~real, (1, 0)), -torch.inf)
    return gather(-logits.log_softmax(1)[:, 0], counts).mean()


def own_similarity(video: Tokens, texts: Tokens, mix: float, masked: bool) -> Tensor:
    """The similarity of each video with its own texts, [B, K], unscaled: mix x I2T + (1 - mix) x T2I.

    video: [B, T, D]; texts: [B, K, L, D], valid and weights likewise. As seds.model.similarity has it for all pairs.
    """
    cosines = torch.einsum("btd,bkld->bktl", video.values, texts.values)
    video_valid = video.valid[:, None]  # [B, 1, T]
    picked = soft_choice(cosines, texts.valid[:, :, None] if masked else None).sum(-1)  # [B, K, T]
    i2t = (picked * (_even(video_valid, cosines) if video.weights is None else video.weights[:, None])).sum(-1)
    picked = soft_choice(cosines.mT, video_valid[:, :, None] if masked else None).sum(-1)  # [B, K, L]
    t2i = (picked * (_even(texts.valid, cosines) if texts.weights is None else texts.weights)).sum(-1)
    return mix * i2t + (1 - mix) * t2i


def _even(valid: Tensor, like: Tensor) -> Tensor:
    """The shares of tokens that all count alike, in the precision of `like`."""
    shares = valid.to(like.dtype)
    return shares / shares.sum(-1, keepdim=True)


def transported(
    heads: Heads,
    streams: Mapping[str, Tokens],
    text: Tokens,
    masked: bool,
    counts: Sequence[int],
    micro_batch: int | None = None,
) -> dict[str, Tensor]:
    """{stream: [B, B] of the whole batch}, seds.model.transport.similarity of each video and each text."""

    def samples(name: str, tokens: Tokens) -> Tensor:
        gaussian, skipped = heads.gaussians[name], int(name == TEXT)  # the start token says nothing

        def draw(values: Tensor, valid: Tensor) -> tuple[Tensor]:
            return (gaussian.samples(values, valid, masked, skipped),)  # type: ignore[operator]

        (drawn,) = in_micro_batches(draw, micro_batch, tokens.values, tokens.valid)
        return gather(drawn, counts)

    of_text = samples(TEXT, text)
    return {name: transport.similarity(samples(name, tokens), of_text) for name, tokens in streams.items()}
