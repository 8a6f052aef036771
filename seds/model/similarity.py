"""Token sequences and their fine-grained similarity (SPEC 9), as in CiCo (Cheng et al., CVPR 2023)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

TEMPERATURE = 0.07  # of the inner softmaxes
DUAL_MIX = 0.5  # of a score, the share that is video to text


@dataclass(frozen=True)
class VideoTokens:
    """Class token and one token per window, in the joint space, of each stream of the model."""

    streams: dict[str, Tensor]  # name -> [B, 1 + V, D], in the order of SEDS.streams
    valid: Tensor  # bool [B, 1 + V], False = padding
    # [B, 1 + V] of each stream, what a token counts for: 0 for padding, 1 in sum; {} = all valid ones count alike
    weights: dict[str, Tensor] = field(default_factory=dict)

    def map(self, change: Callable[[Tensor], Tensor]) -> VideoTokens:
        """The same change of every tensor, such as a selection of rows or a move to a device."""
        streams, weights = (
            {name: change(tokens) for name, tokens in named.items()} for named in (self.streams, self.weights)
        )
        return VideoTokens(streams, change(self.valid), weights)

    def sequences(self) -> dict[str, Tokens]:
        """Each stream by itself."""
        return {name: Tokens(values, self.valid, self.weights.get(name)) for name, values in self.streams.items()}


@dataclass(frozen=True)
class TextTokens:
    """One token per word piece, in the joint space."""

    tokens: Tensor  # [B, L, D]
    valid: Tensor  # bool [B, L], up to and including the end token
    weights: Tensor | None = None  # [B, L], as VideoTokens.weights; None = all valid ones count alike

    def map(self, change: Callable[[Tensor], Tensor]) -> TextTokens:
        """As VideoTokens.map."""
        return TextTokens(
            change(self.tokens), change(self.valid), None if self.weights is None else change(self.weights)
        )


@dataclass(frozen=True)
class Tokens:
    """L2-normalised tokens of one stream or of texts."""

    values: Tensor  # [B, T, D]
    valid: Tensor  # bool [B, T], False = padding
    weights: Tensor | None = None  # [B, T], as VideoTokens.weights; None = all valid ones count alike

    def rows(self, rows: slice) -> Tokens:
        """Some of the sequences."""
        return Tokens(self.values[rows], self.valid[rows], None if self.weights is None else self.weights[rows])


def products(video: Tensor, text: Tensor) -> Tensor:
    """Cosines of all token pairs. video: [A, I, D], text: [B, J, D], both L2-normalised -> [A, I, B, J]."""
    return (video.flatten(0, 1) @ text.flatten(0, 1).T).view(*video.shape[:2], *text.shape[:2])


def video_to_text(video: Tokens, text: Tokens, masked: bool) -> Tensor:
    """I2T: each video token picks text tokens softly, then the mean over the valid video tokens; [A, B], unscaled.

    Where the video has weights, they take the place of the mean (UPRet, ECCV 2024).

    masked: padding text tokens cannot be picked; the published softmax lets them.
    """
    picked = soft_choice(products(video.values, text.values), text.valid if masked else None).sum(-1)  # [A, I, B]
    if video.weights is not None:
        return (picked * video.weights[:, :, None]).sum(1)
    return (picked * video.valid[:, :, None]).sum(1) / video.valid.sum(1, keepdim=True)


def text_to_video(video: Tokens, text: Tokens, masked: bool) -> Tensor:
    """T2I: each text token picks video tokens softly, then the mean over the valid text tokens; [A, B], unscaled."""
    return video_to_text(text, video, masked).T


def soft_choice(s: Tensor, valid: Tensor | None) -> Tensor:
    """s softmax(s / temperature) over the last axis, which `valid` (None = all) broadcasts to."""
    logits = s / TEMPERATURE
    if valid is not None:
        logits = logits.masked_fill(~valid, -torch.inf)
    return s * F.softmax(logits, -1)


def matching(pose: Tokens, rgb: Tokens, masked: bool) -> tuple[Tensor, Tensor]:
    """Pose-RGB matching: how surely each position of one stream finds the same position of the other.

    pose: [A, T, D], rgb: [B, T, D]. Returns P2R and R2P, [A, B], unscaled. Both are sums over the valid positions, not
    means, as published: long videos get larger values.
    """
    g = products(pose.values, rgb.values)  # [A, I, B, J]
    same = g.diagonal(dim1=1, dim2=3)  # [A, B, I]
    logits = g / TEMPERATURE
    among_rgb, among_pose = logits, logits
    pose_counts, rgb_counts = pose.valid[:, None, :], rgb.valid[None, :, :]
    if masked:  # a position that only one of the two videos has finds nothing
        among_rgb = logits.masked_fill(~rgb.valid, -torch.inf)
        among_pose = logits.masked_fill(~pose.valid[:, :, None, None], -torch.inf)
        pose_counts = rgb_counts = pose_counts & rgb_counts
    to_rgb = torch.exp(same / TEMPERATURE - among_rgb.logsumexp(3).transpose(1, 2))
    to_pose = torch.exp(same / TEMPERATURE - among_pose.logsumexp(1))
    return (same * to_rgb * pose_counts).sum(-1), (same * to_pose * rgb_counts).sum(-1)
