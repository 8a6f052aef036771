"""What training minimises (SPEC 9)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import Losses
from seds.distillation import distillation
from seds.distributed import gather
from seds.microbatch import by_parts
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
    counts: Sequence[int] | None = None,
    part: int | None = None,
) -> LossParts:
    """All parts for a batch in which video a belongs to text a.

    streams: fusion, pose, rgb -> normalised tokens [B, 1 + V, D]; video_valid: bool [B, 1 + V]; text: as written, for
    video-to-text similarity; swapped: with two words swapped, for text-to-video; scale: the similarities' multiplier;
    masked: padding cannot be picked (see seds.similarity).

    Of a batch spread over processes, each gives its own rows and their numbers `counts` (seds.distributed); all get the
    loss of the whole batch, to which each has compared its videos with everybody's. part: so many at a time.
    """
    counts = [len(video_valid)] if counts is None else counts
    texts, swapped_texts, rgb_videos = (
        Tokens(gather(own.values, counts), gather(own.valid, counts))
        for own in (text, swapped, Tokens(streams["rgb"], video_valid))
    )

    def compare(valid: Tensor, *videos: Tensor) -> tuple[Tensor]:
        matrices: list[Tensor] = []
        for values in videos:
            video = Tokens(values, valid)
            matrices += [video_to_text(video, texts, masked), text_to_video(video, swapped_texts, masked)]
        if losses.match_weight:
            matrices += matching(Tokens(videos[STREAMS.index("pose")], valid), rgb_videos, masked)
        return (torch.stack(matrices, 1),)  # [rows, matrices, B]

    (similarities,) = by_parts(compare, part, video_valid, *(streams[name] for name in STREAMS))
    matrices = (scale * gather(similarities, counts)).unbind(1)
    pairs = dict(zip((*STREAMS, "match"), zip(matrices[::2], matrices[1::2], strict=True), strict=False))
    parts = {name: symmetric(*pairs[name], losses.dual_mix) for name in STREAMS}
    parts["match"] = parts["distill_pose"] = parts["distill_rgb"] = scale.new_zeros(())
    if losses.match_weight:
        parts["match"] = losses.match_weight * symmetric(*pairs["match"], losses.dual_mix)
    pose, rgb = streams["pose"], streams["rgb"]
    for name, weight, student, teacher in (
        ("distill_pose", losses.distill_pose, pose, rgb),
        ("distill_rgb", losses.distill_rgb, rgb, pose),
    ):
        if weight:
            parts[name] = weight * distillation(
                student, teacher, video_valid, text, swapped, losses.distill_temperature, masked
            )
    return LossParts(total=torch.stack([parts[name] for name in parts]).sum(), **parts)
