"""What training minimises (SPEC 9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import ConfigError, Losses
from seds.model.distributed import all_sum, gather
from seds.model.recompute import checkpointed, in_micro_batches
from seds.model.similarity import Tokens, matching, soft_choice, text_to_video, video_to_text

# Scalars: "total" and what it is the sum of, each already weighted: a loss a stream; "match", "distill_pose" and
# "distill_rgb" where their weight is not 0.
LossParts = dict[str, Tensor]


def duplicates(ids: Tensor) -> Tensor:
    """Pairs of different rows with the same words, which are no negatives of each other. ids: [B, L] -> bool [B, B]."""
    same = (ids[:, None] == ids).all(-1)
    return same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)


def contrastive(logits: Tensor, left_out: Tensor | None = None) -> Tensor:
    """Mean over rows a of -log softmax(row a)[a]. logits: [B, B]; left_out: bool [B, B], not in the softmax."""
    if left_out is not None:
        logits = logits.masked_fill(left_out, -torch.inf)
    return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))


def symmetric(first: Tensor, second: Tensor, mix: float, left_out: Tensor | None = None) -> Tensor:
    """Contrastive loss of two similarity matrices in both directions, [B, B] each, rows = videos.

    left_out: bool [B, B], pairs that are no negatives of each other, so a symmetric matrix.

    With a mix other than a half the published weights are `mix` for the first matrix's rows and the second's columns,
    and 1 - mix for the other two.
    """
    rows, columns, second_rows, second_columns = (
        contrastive(matrix, left_out) for matrix in (first, first.T, second, second.T)
    )
    return 0.5 * (mix * (rows + second_columns) + (1 - mix) * (columns + second_rows))


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
    left_out: Tensor | None = None,
    recompute: bool = False,
) -> LossParts:
    """All parts for a batch in which video a belongs to text a.

    streams: those of the model, by name -> normalised tokens [B, 1 + V, D]; matching needs pose and rgb and is left out
    where one is missing; video_valid: bool [B, 1 + V]; text: as written, for video-to-text similarity; swapped: with
    two words swapped, for text-to-video; scale: the similarities' multiplier; masked: padding cannot be picked (see
    seds.model.similarity). Raises ConfigError as check_streams does.

    Of a batch spread over processes, each gives its own rows and their numbers `counts` (seds.model.distributed); all
    get the loss of the whole batch, to which each has compared its videos with everybody's. part: so many at a time.
    left_out: bool [B, B] of the whole batch, pairs that no contrastive loss takes for negatives (`duplicates`); None =
    every other row is one. recompute: keep no products of tokens, but compute them again in the backward pass.
    """
    check_streams(streams, losses)
    counts = [len(video_valid)] if counts is None else counts

    def everybodys(own: Tokens) -> Tokens:
        return Tokens(gather(own.values, counts), gather(own.valid, counts))

    texts, swapped_texts = everybodys(text), everybodys(swapped)
    matched = losses.match_weight > 0 and _both(streams)
    rgb_videos = everybodys(Tokens(streams["rgb"], video_valid)) if matched else None

    def kept(similarity: Callable[..., Any], *inputs: Any) -> Any:
        return checkpointed(similarity, *inputs) if recompute else similarity(*inputs)

    def compare(valid: Tensor, *videos: Tensor) -> tuple[Tensor]:
        matrices: list[Tensor] = []
        for values in videos:
            video = Tokens(values, valid)
            matrices += [kept(video_to_text, video, texts, masked), kept(text_to_video, video, swapped_texts, masked)]
        if rgb_videos is not None:
            pose = dict(zip(streams, videos, strict=True))["pose"]
            matrices += kept(matching, Tokens(pose, valid), rgb_videos, masked)
        return (torch.stack(matrices, 1),)  # [rows, matrices, B]

    (similarities,) = in_micro_batches(compare, part, video_valid, *streams.values())
    matrices = (scale * gather(similarities, counts)).unbind(1)
    names = (*streams, "match") if matched else tuple(streams)
    pairs = zip(matrices[::2], matrices[1::2], strict=True)
    parts = {name: symmetric(*pair, losses.dual_mix, left_out) for name, pair in zip(names, pairs, strict=True)}
    if matched:
        parts["match"] = losses.match_weight * parts["match"]
    for student, teacher, weight in (("pose", "rgb", losses.distill_pose), ("rgb", "pose", losses.distill_rgb)):
        if weight:
            parts[f"distill_{student}"] = weight * distillation(
                streams[student], streams[teacher], video_valid, text, swapped, losses.distill_temperature, masked
            )
    return {"total": torch.stack(list(parts.values())).sum(), **parts}


def check_streams(streams: Collection[str], losses: Losses) -> None:
    """Raises ConfigError when a model of these streams is asked for what needs both pose and RGB."""
    for name in ("distill_pose", "distill_rgb"):
        if getattr(losses, name) and not _both(streams):
            raise ConfigError(
                f"train.losses.{name} is {getattr(losses, name):g}, but the model has the stream {', '.join(streams)} "
                f"alone, which no other can teach; set it to 0, or model streams to both"
            )


def _both(streams: Collection[str]) -> bool:
    return "pose" in streams and "rgb" in streams


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
    total, count = all_sum(torch.stack([divergence[rows].sum(), rows.sum()])).unbind()
    return total / count
