"""Similarities and losses from recorded tokens, and the losses' gradients with respect to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import Losses
from seds.model.losses import LossParts, distillation, total_loss
from seds.model.seds import SEDS, TextTokens, VideoTokens
from seds.model.similarity import Tokens, matching, text_to_video, video_to_text
from seds.retrieval.scoring import Sentences
from seds.verify.comparison import Note, Result, elementwise, relative
from seds.verify.recordings import Recording

# Order of the recorded parts of a loss.
PARTS = ("total", "fusion", "pose", "rgb", "distill_pose", "distill_rgb", "match")
VARIANTS = {
    "default": Losses(),
    "mix03_kl": Losses(dual_mix=0.3, distill_pose=0.5, distill_rgb=0.7),
    "kl_logit0.05": Losses(distill_pose=0.5, distill_rgb=0.5, distill_temperature=0.05),
    "nomatch": Losses(match_weight=0.0),
    "match1.0": Losses(match_weight=1.0),
    "freeze_exfusion": Losses(),
}
FUSION_ALONE = "freeze_exfusion"  # its total is the fusion's loss; seds.model.losses gives that part
KL_TEMPERATURE = Losses().distill_temperature
HIDDEN = ("text_hidden", "text_hidden_aug", "pose_hidden", "rgb_hidden")


def loss_limit(recording: Recording) -> float:
    return 1e-8 if recording.exact else 1e-5


def loss_parts(parts: LossParts, variant: str = "default") -> Tensor:
    """[7] in the recorded order; a part that the variant does not have is recorded as 0."""
    total = parts["fusion" if variant == FUSION_ALONE else "total"]
    return torch.stack([total, *(parts.get(part, torch.zeros_like(total)) for part in PARTS[1:])])


def matrices(videos: VideoTokens, text: Tokens, swapped: Tokens, scale: Tensor) -> dict[str, Tensor]:
    """I2T and T2I of each stream, P2R and R2P of a square set, under their recorded names."""
    found = {}
    streams = {stream: normal(tokens, videos.valid) for stream, tokens in videos.streams.items()}
    for stream, video in streams.items():
        found[f"I2T_{stream}"] = scale * video_to_text(video, text, masked=False)
        found[f"T2I_{stream}"] = scale * text_to_video(video, swapped, masked=False)
    to_rgb, to_pose = matching(streams["pose"], streams["rgb"], masked=False)
    return found | {"P2R": scale * to_rgb, "R2P": scale * to_pose}


def similarity(model: SEDS, video: VideoTokens, text: TextTokens, dual_mix: float = 0.5) -> dict[str, Tensor]:
    """Scores of every video with every text as evaluation computes them: stream -> [videos, texts], without gradients.

    dual_mix: share of I2T; the rest is T2I. The tokens need not be normalised.
    """
    sentences = Sentences(Tokens(text.tokens, text.valid), model.masked, text.tokens.device)
    return {
        stream: model.logit_scale.exp() * sentences.scores(Tokens(tokens, video.valid), dual_mix)
        for stream, tokens in video.streams.items()
    }


def normal(tokens: Tensor, valid: Tensor) -> Tokens:
    return Tokens(F.normalize(tokens, dim=-1), valid)


@torch.no_grad()
def similarities(recording: Recording) -> Iterator[Result]:
    """Training and evaluation, square and rectangular, the evaluation loop's mixtures and the unweighted KL."""
    inputs, outputs = recording.read("sim")
    model, label, scale = recording.model(), recording.label("sim"), inputs["logit_scale"].exp()
    for case in ("train", "eval", "rect"):
        if not any(key.startswith(f"{case}/") for key in outputs):
            continue
        prefix = "rect/" if case == "rect" else ""
        text = normal(inputs[f"{prefix}text_hidden"], inputs[f"{prefix}text_mask"] > 0)
        swapped = normal(inputs["text_hidden_aug"], inputs["text_mask_aug"] > 0) if case == "train" else text
        videos = _videos(model, inputs, prefix)
        found = matrices(videos, text, swapped, scale)
        for name, matrix in found.items():
            if f"{case}/{name}" in outputs:
                yield relative(f"{label}/{case}/{name}", matrix, outputs[f"{case}/{name}"], recording.limit)
        pose, rgb = (F.normalize(videos.streams[stream], dim=-1) for stream in ("pose", "rgb"))
        for name, student, teacher in (("kl_pose_raw", pose, rgb), ("kl_rgb_raw", rgb, pose)):
            if f"{case}/{name}" in outputs:
                kl = distillation(student, teacher, videos.valid, text, swapped, KL_TEMPERATURE, masked=False)
                yield elementwise(f"{label}/{case}/{name}", kl, outputs[f"{case}/{name}"], loss_limit(recording))

    model.logit_scale.copy_(inputs["logit_scale"])
    for key, expected in outputs.items():
        if loop := re.fullmatch(r"rect/evalloop_mix([\d.]+)/(?:i2t|t2i)_(\w+)", key):
            words = TextTokens(inputs["rect/text_hidden"], inputs["rect/text_mask"] > 0)
            scores = similarity(model, _videos(model, inputs, "rect/"), words, float(loop[1]))
            yield relative(f"{label}/{key}", scores[loop[2]], expected, recording.limit)


def losses(recording: Recording) -> Iterator[Result]:
    """Every variant's parts, and gradients where they were recorded."""
    inputs, outputs = recording.read("sim")
    model, label = recording.model(), recording.label("sim")
    valid = inputs["video_mask"] == 0
    limit = 1e-7 if recording.exact else 1e-5
    for variant in sorted({key.split("/")[1] for key in outputs if key.startswith("loss/")}):
        if variant not in VARIANTS:
            yield Note(f"{label}/loss/{variant}", f"unknown variant; known: {', '.join(VARIANTS)}")
            continue
        hidden = {name: inputs[name].clone().requires_grad_() for name in (*HIDDEN, "logit_scale")}
        fused = model.fusion(hidden["pose_hidden"], hidden["rgb_hidden"], valid, masked=False)
        streams = {"fusion": fused, "pose": hidden["pose_hidden"], "rgb": hidden["rgb_hidden"]}
        parts = total_loss(
            {name: F.normalize(tokens, dim=-1) for name, tokens in streams.items()},
            valid,
            normal(hidden["text_hidden"], inputs["text_mask"] > 0),
            normal(hidden["text_hidden_aug"], inputs["text_mask_aug"] > 0),
            hidden["logit_scale"].exp(),
            VARIANTS[variant],
            masked=False,
        )
        found = loss_parts(parts, variant)
        yield elementwise(f"{label}/loss/{variant}", found, outputs[f"loss/{variant}"], loss_limit(recording))
        if not any(key.startswith(f"loss/{variant}/") for key in outputs):
            continue
        found[0].backward()
        for name, tensor in hidden.items():
            gradient, key = tensor.grad, f"loss/{variant}/dloss_d_{name}"
            if gradient is None:
                raise RuntimeError(f"{variant}: the loss does not depend on {name}")
            if key in outputs:
                yield relative(f"{label}/{key}", gradient, outputs[key], limit)
            norm = f"loss/{variant}/norm_dloss_d_{name}"
            if norm in outputs:
                yield elementwise(f"{label}/{norm}", gradient.double().norm(), outputs[norm], limit)


def _videos(model: SEDS, inputs: dict[str, Tensor], prefix: str) -> VideoTokens:
    pose, rgb, valid = inputs[f"{prefix}pose_hidden"], inputs[f"{prefix}rgb_hidden"], inputs[f"{prefix}video_mask"] == 0
    return VideoTokens({"fusion": model.fusion(pose, rgb, valid, masked=False), "pose": pose, "rgb": rgb}, valid)
