"""The training losses (SPEC 9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import ConfigError, Losses
from seds.model.contrast import contrastive
from seds.model.distributed import all_sum, gather
from seds.model.recompute import checkpointed, in_micro_batches
from seds.model.similarity import Tokens, VideoTokens, matching, soft_choice, text_to_video, video_to_text

# Scalars: "total" and its summands, each already weighted: one per stream, and "match", "distill_pose" and
# "distill_rgb" where their weight is not 0.
LossParts = dict[str, Tensor]


def duplicates(ids: Tensor) -> Tensor:
    """Pairs of different rows with the same words, not negatives of each other. ids: [B, L] -> bool [B, B]."""
    same = (ids[:, None] == ids).all(-1)
    return same & ~torch.eye(len(ids), dtype=torch.bool, device=ids.device)


def symmetric(
    first: Tensor,
    second: Tensor,
    mix: float,
    not_negatives: Tensor | None = None,
    smoothing: float = 0.0,
    hardness: float = 0.0,
) -> Tensor:
    """Contrastive loss of two similarity matrices in both directions, [B, B] each, rows = videos.

    not_negatives: bool [B, B], symmetric: pairs that are not negatives of each other. smoothing, hardness: as for
    `contrastive`.

    As published, `mix` weights the first matrix's rows and the second's columns, and 1 - mix the other two.
    """
    rows, columns, second_rows, second_columns = (
        contrastive(matrix, not_negatives, smoothing, hardness) for matrix in (first, first.T, second, second.T)
    )
    return 0.5 * (mix * (rows + second_columns) + (1 - mix) * (columns + second_rows))


@dataclass(frozen=True)
class BatchContext:
    """How the loss of a batch is computed, apart from its tokens and settings.

    masked: padding cannot be picked (seds.model.similarity). counts: the number of rows of each process
    (seds.model.distributed); None = this process has the whole batch. not_negatives: bool [B, B] of the whole batch,
    pairs that no contrastive loss uses as negatives (`duplicates`); None = every other row is a negative. micro_batch:
    videos that are compared at a time; None = all. checkpointing: compute products of tokens again in the backward pass
    instead of keeping them. smoothing, hardness: of the contrastive losses of videos and texts (seds.model.contrast).
    added: {stream: [B, B] of the whole batch, rows = videos}, for both scaled similarities (seds.model.transport).
    """

    masked: bool
    counts: Sequence[int] | None = None
    not_negatives: Tensor | None = None
    micro_batch: int | None = None
    checkpointing: bool = False
    smoothing: float = 0.0
    hardness: float = 0.0
    added: Mapping[str, Tensor] = field(default_factory=dict)


def total_loss(
    video: VideoTokens, text: Tokens, swapped: Tokens, scale: Tensor, losses: Losses, context: BatchContext
) -> LossParts:
    """All parts for a batch in which video a belongs to text a.

    video: normalised tokens; matching needs the streams pose and rgb and is omitted without them. text: as written, for
    video-to-text similarity; swapped: with two words swapped, for text-to-video. scale: factor on the similarities.
    Raises ConfigError as check_streams does.

    With several processes each passes its own rows; all get the loss of the whole batch, to which each compares its
    videos with the texts of all.
    """
    streams = video.streams
    check_streams(streams, losses)
    counts = [len(video.valid)] if context.counts is None else context.counts

    def gather_tokens(tokens: Tokens) -> Tokens:
        weights = None if tokens.weights is None else gather(tokens.weights, counts)
        return Tokens(gather(tokens.values, counts), gather(tokens.valid, counts), weights)

    texts, swapped_texts = gather_tokens(text), gather_tokens(swapped)
    matched = losses.match_weight > 0 and _both(streams)
    rgb_videos = gather_tokens(Tokens(streams["rgb"], video.valid)) if matched else None

    def run(similarity: Callable[..., Any], *inputs: Any) -> Any:
        return checkpointed(similarity, *inputs) if context.checkpointing else similarity(*inputs)

    def compare(valid: Tensor, *tensors: Tensor) -> tuple[Tensor]:
        matrices: list[Tensor] = []
        weights = dict(zip(video.weights, tensors[len(streams) :], strict=True))
        for stream, values in zip(streams, tensors[: len(streams)], strict=True):
            tokens = Tokens(values, valid, weights.get(stream))
            matrices.append(run(video_to_text, tokens, texts, context.masked))
            matrices.append(run(text_to_video, tokens, swapped_texts, context.masked))
        if rgb_videos is not None:
            pose = dict(zip(streams, tensors, strict=False))["pose"]
            matrices += run(matching, Tokens(pose, valid), rgb_videos, context.masked)
        return (torch.stack(matrices, 1),)  # [rows, matrices, B]

    (similarities,) = in_micro_batches(
        compare, context.micro_batch, video.valid, *streams.values(), *video.weights.values()
    )
    matrices = (scale * gather(similarities, counts)).unbind(1)
    names = (*streams, "match") if matched else tuple(streams)
    pairs = zip(matrices[::2], matrices[1::2], strict=True)
    parts = {}
    for name, pair in zip(names, pairs, strict=True):
        first, second = (matrix + context.added[name] if name in context.added else matrix for matrix in pair)
        of_texts = (context.smoothing, context.hardness) if name in streams else ()
        parts[name] = symmetric(first, second, losses.dual_mix, context.not_negatives, *of_texts)
    if matched:
        parts["match"] = losses.match_weight * parts["match"]
    for student, teacher, weight in (("pose", "rgb", losses.distill_pose), ("rgb", "pose", losses.distill_rgb)):
        if weight:
            parts[f"distill_{student}"] = weight * distillation(
                streams[student],
                streams[teacher],
                video.valid,
                text,
                swapped,
                losses.distill_temperature,
                context.masked,
            )
    return {"total": torch.stack(list(parts.values())).sum(), **parts}


def check_streams(streams: Collection[str], losses: Losses) -> None:
    """Raises ConfigError when the losses need pose and RGB and a model of these streams does not have both."""
    for name in ("distill_pose", "distill_rgb"):
        if getattr(losses, name) and not _both(streams):
            raise ConfigError(
                f"train.losses.{name} is {getattr(losses, name):g}, but the model has the stream {', '.join(streams)} "
                f"alone, which no other can teach; set it to 0, or model streams to both"
            )


def _both(streams: Collection[str]) -> bool:
    return "pose" in streams and "rgb" in streams


TOP_TEXT, TOP_VIDEO = 3, 5  # tokens that a row is compared on
NEVER = -1e6  # logit of a token that is not compared; finite, or a row with too few tokens would give 0 x infinity


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
