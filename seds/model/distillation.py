"""Modality distillation: one stream's token choices teach the other's (SPEC 9; off by default, as published)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.model.distributed import summed
from seds.model.similarity import Tokens, soft_choice

TOP_TEXT, TOP_VIDEO = 3, 5  # tokens a row is compared on
NEVER = -1e6  # stands for a token not compared; finite, or a row short of tokens would give 0 x infinity


def distillation(
    student: Tensor,
    teacher: Tensor,
    video_valid: Tensor,
    text: Tokens,
    swapped: Tokens,
    temperature: float,
    masked: bool,
) -> Tensor:
    """KL of the student's token choices from the teacher's, for each video with its own text; a scalar.

    student, teacher: normalised tokens of one video stream each, [B, I, D]; video_valid: bool [B, I]; text, swapped:
    each video's own, [B, J, D]. The mean of two: what each video token picks among its `TOP_TEXT` words, and what each
    word of the swapped text picks among its `TOP_VIDEO` video tokens. The teacher chooses which, and gets no gradient.
    masked: see seds.model.similarity. The mean is over the videos of all processes.
    """
    words = text.values.mT
    picks_words = _divergence(student @ words, teacher @ words, video_valid, text.valid, TOP_TEXT, temperature, masked)
    words = swapped.values
    picks_frames = _divergence(
        words @ student.mT, words @ teacher.mT, swapped.valid, video_valid, TOP_VIDEO, temperature, masked
    )
    return 0.5 * (picks_words + picks_frames)


def _divergence(
    student: Tensor, teacher: Tensor, rows: Tensor, columns: Tensor, top: int, temperature: float, masked: bool
) -> Tensor:
    """student, teacher: cosines [B, R, C]; rows: bool [B, R], columns: bool [B, C]; the mean over valid rows."""
    valid = columns[:, None]
    student, teacher = (
        soft_choice(s, valid if masked else None).where(valid, NEVER) for s in (student, teacher.detach())
    )
    chosen = teacher.topk(min(top, teacher.shape[-1]), -1).indices
    among = torch.zeros_like(teacher, dtype=torch.bool).scatter_(-1, chosen, True)
    target, log_p = (F.log_softmax(s.where(among, NEVER) / temperature, -1) for s in (teacher, student))
    divergence = F.kl_div(log_p, target, reduction="none", log_target=True).sum(-1)  # [B, R]
    total, count = summed(torch.stack([divergence[rows].sum(), rows.sum()])).unbind()
    return total / count
