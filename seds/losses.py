"""What training minimises (SPEC 9)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import Losses
from seds.distillation import distillation
from seds.similarity import Tokens, matching, text_to_video, video_to_text

STREAMS = ("fusion", "pose", "rgb")


@dataclass(frozen=True)
class LossParts:
    """Scalars; total is the sum of the others, each already weighted."""

    total: Tensor
    fusion: Tensor
    pose: Tensor
    rgb: Tensor
    match: Tensor
    distill_pose: Tensor
    distill_rgb: Tensor


def contrastive(logits: Tensor) -> Tensor:
    """Mean over rows a of -log softmax(row a)[a]. logits: [B, B]."""
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def symmetric(first: Tensor, second: Tensor, mix: float) -> Tensor:
    """Contrastive loss of two similarity matrices in both directions, [B, B] each, rows = videos.

    With a mix other than a half the published weights are `mix` for the first matrix's rows and the second's columns,
    and 1 - mix for the other two.
    """
    with_mix = contrastive(first) + contrastive(second.T)
    return 0.5 * (mix * with_mix + (1 - mix) * (contrastive(first.T) + contrastive(second)))


def total_loss(
    streams: dict[str, Tensor],
    video_valid: Tensor,
    text: Tokens,
    swapped: Tokens,
    scale: Tensor,
    losses: Losses,
    masked: bool,
) -> LossParts:
    """All parts for a batch in which video a belongs to text a.

    streams: fusion, pose, rgb -> normalised tokens [B, 1 + V, D]; video_valid: bool [B, 1 + V]; text: as written, for
    video-to-text similarity; swapped: with two words swapped, for text-to-video; scale: the similarities' multiplier;
    masked: padding cannot be picked (see seds.similarity).
    """
    parts = {}
    for name in STREAMS:
        video = Tokens(streams[name], video_valid)
        i2t = scale * video_to_text(video, text, masked)
        t2i = scale * text_to_video(video, swapped, masked)
        parts[name] = symmetric(i2t, t2i, losses.dual_mix)
    pose, rgb = streams["pose"], streams["rgb"]
    parts["match"] = parts["distill_pose"] = parts["distill_rgb"] = scale.new_zeros(())
    if losses.match_weight:
        p2r, r2p = matching(pose, rgb, video_valid, masked)
        parts["match"] = losses.match_weight * symmetric(scale * p2r, scale * r2p, losses.dual_mix)
    for name, weight, student, teacher in (
        ("distill_pose", losses.distill_pose, pose, rgb),
        ("distill_rgb", losses.distill_rgb, rgb, pose),
    ):
        if weight:
            parts[name] = weight * distillation(
                student, teacher, video_valid, text, swapped, losses.distill_temperature, masked
            )
    return LossParts(total=torch.stack([parts[name] for name in parts]).sum(), **parts)
