"""Similarities and losses from recorded tokens, and the losses' gradients with respect to them."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import Losses
from seds.model.losses import BatchContext, LossParts, distillation, total_loss
from seds.model.seds import SEDS
from seds.model.similarity import TextTokens, Tokens, VideoTokens, matching, text_to_video, video_to_text
from seds.retrieval.scoring import Sentences
from seds.verify.arrays import Arrays, NotCompared, as_recorded
from seds.verify.comparison import Comparison, Note, Result, elementwise, relative
from seds.verify.components import check_positions, without_windows
from seds.verify.recordings import Recording

# Order of the recorded parts of a loss.
PARTS = ("total", "fusion", "pose", "rgb", "distill_pose", "distill_rgb", "match")
RECORDED_PARTS = ("loss", "loss_fusion", "loss_pose", "loss_rgb", "kl_pose", "kl_rgb", "loss_r2p")
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
MATRIX = r"(?:I2T|T2I)_(?:fusion|pose|rgb)|P2R|R2P|kl_(?:pose|rgb)_raw"
EVALUATION_LOOP = r"rect/evalloop_mix(\d+(?:\.\d+)?)/(?:i2t|t2i)_(fusion|pose|rgb)"


def loss_limit(recording: Recording) -> float:
    return 1e-8 if recording.exact else 1e-5


def loss_parts(parts: LossParts, variant: str = "default") -> Tensor:
    """[7] in the recorded order; a part that the variant does not have is recorded as 0."""
    total = parts["fusion" if variant == FUSION_ALONE else "total"]
    return torch.stack([total, *(parts.get(part, torch.zeros_like(total)) for part in PARTS[1:])])


def compare_loss_parts(
    recording: Recording, inputs: Arrays, outputs: Arrays, name: str, ours: Tensor, with_windows: Tensor
) -> Iterator[Result]:
    """with_windows: bool [B]; where a video has no window, the release's loss of the fusion and its total are NaN."""
    label, limit, expected = f"{outputs.label}/{name}", loss_limit(recording), outputs.tensor(name, len(PARTS))
    if "loss_part_names" in inputs and (order := inputs.strings("loss_part_names")) != [*RECORDED_PARTS]:
        yield Note(label, f"not compared: loss_part_names is {', '.join(order)}, expected {', '.join(RECORDED_PARTS)}")
    elif with_windows.all():
        yield elementwise(label, ours, expected, limit)
    else:
        defined = elementwise(label, ours[2:], expected[2:], limit)
        yield Comparison(label, defined.error, limit, "without total and fusion, which are NaN in the release")


def matrices(videos: VideoTokens, text: Tokens, swapped: Tokens, scale: Tensor) -> dict[str, Tensor]:
    """I2T and T2I of each stream, P2R and R2P of the videos among themselves (of both), under their recorded names."""
    result = {}
    streams = {stream: normal(tokens, videos.valid) for stream, tokens in videos.streams.items()}
    for stream, video in streams.items():
        result[f"I2T_{stream}"] = scale * video_to_text(video, text, masked=False)
        result[f"T2I_{stream}"] = scale * text_to_video(video, swapped, masked=False)
    if "fusion" in streams:
        to_rgb, to_pose = matching(streams["pose"], streams["rgb"], masked=False)
        result |= {"P2R": scale * to_rgb, "R2P": scale * to_pose}
    return result


def compare_matrix(
    name: str, matrix: Tensor, outputs: Arrays, recorded: str, limit: float, with_windows: Tensor
) -> Iterator[Result]:
    """Ours against a recorded matrix, where there is one; of the fusion only rows of videos that have a window."""
    if recorded in outputs:
        expected = outputs.tensor(recorded)
        if recorded.endswith("fusion") and expected.shape == matrix.shape:
            matrix, expected = matrix[with_windows], expected[with_windows]
        yield relative(name, matrix, expected, limit)


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
    model = recording.model("fusion.")
    for case in ("train", "eval", "rect"):
        if any(re.fullmatch(f"{case}/({MATRIX})", name) for name in outputs):
            yield from as_recorded(f"{outputs.label}/{case}", _matrices(recording, model, inputs, outputs, case))
    if any(re.fullmatch(EVALUATION_LOOP, name) for name in outputs):
        yield from as_recorded(f"{outputs.label}/rect/evalloop", _evaluation_loop(recording, model, inputs, outputs))


def _matrices(recording: Recording, model: SEDS, inputs: Arrays, outputs: Arrays, case: str) -> Iterator[Result]:
    prefix, label = "rect/" if case == "rect" else "", f"{outputs.label}/{case}"
    videos, text = _videos(recording, model, inputs, prefix), _text(inputs, prefix)
    swapped = _text(inputs, prefix, "_aug") if case == "train" else text
    with_windows = videos.valid[:, 1:].any(1)
    if not with_windows.all():
        yield without_windows(label, with_windows)
    if "fusion" not in videos.streams:
        yield Note(label, f"only {' and '.join(videos.streams)} compared: the other stream has no {prefix}..._hidden")
    words, swapped_words = normal(text.tokens, text.valid), normal(swapped.tokens, swapped.valid)
    for name, matrix in matrices(videos, words, swapped_words, _logit_scale(inputs).exp()).items():
        yield from compare_matrix(f"{label}/{name}", matrix, outputs, f"{case}/{name}", recording.limit, with_windows)
    for student, teacher in (("pose", "rgb"), ("rgb", "pose")):
        name = f"kl_{student}_raw"
        if f"{case}/{name}" in outputs:
            _check_pairs(videos, text)
            streams = {stream: F.normalize(tokens, dim=-1) for stream, tokens in videos.streams.items()}
            pair = streams[student], streams[teacher]
            kl = distillation(*pair, videos.valid, words, swapped_words, KL_TEMPERATURE, masked=False)
            yield elementwise(f"{label}/{name}", kl, outputs.tensor(f"{case}/{name}"), loss_limit(recording))


def _evaluation_loop(recording: Recording, model: SEDS, inputs: Arrays, outputs: Arrays) -> Iterator[Result]:
    videos, text = _videos(recording, model, inputs, "rect/"), _text(inputs, "rect/")
    with_windows = videos.valid[:, 1:].any(1)
    model.logit_scale.copy_(_logit_scale(inputs))
    for name in outputs:
        if loop := re.fullmatch(EVALUATION_LOOP, name):
            if loop[2] not in videos.streams:
                continue
            scores = similarity(model, videos, text, float(loop[1]))[loop[2]]
            yield from compare_matrix(f"{outputs.label}/{name}", scores, outputs, name, recording.limit, with_windows)


def losses(recording: Recording) -> Iterator[Result]:
    """Every variant's parts, and gradients where they were recorded."""
    inputs, outputs = recording.read("sim")
    model = recording.model("fusion.")
    for variant in sorted({name.split("/")[1] for name in outputs if name.startswith("loss/")}):
        label = f"{outputs.label}/loss/{variant}"
        if variant in VARIANTS:
            yield from as_recorded(label, _loss(recording, model, inputs, outputs, variant))
        else:
            yield Note(label, f"unknown variant; known: {', '.join(VARIANTS)}")


def _loss(recording: Recording, model: SEDS, inputs: Arrays, outputs: Arrays, variant: str) -> Iterator[Result]:
    label, limit = outputs.label, 1e-7 if recording.exact else 1e-5
    with torch.no_grad():
        videos, text, swapped = _videos(recording, model, inputs, ""), _text(inputs, ""), _text(inputs, "", "_aug")
    _check_pairs(videos, text)
    hidden = {
        "text_hidden": text.tokens,
        "text_hidden_aug": swapped.tokens,
        "pose_hidden": videos.streams["pose"],
        "rgb_hidden": videos.streams["rgb"],
        "logit_scale": _logit_scale(inputs),
    }
    hidden = {name: tensor.clone().requires_grad_() for name, tensor in hidden.items()}
    fused = model.fusion(hidden["pose_hidden"], hidden["rgb_hidden"], videos.valid, masked=False)
    streams = {"fusion": fused, "pose": hidden["pose_hidden"], "rgb": hidden["rgb_hidden"]}
    parts = total_loss(
        VideoTokens({name: F.normalize(tokens, dim=-1) for name, tokens in streams.items()}, videos.valid),
        normal(hidden["text_hidden"], text.valid),
        normal(hidden["text_hidden_aug"], swapped.valid),
        hidden["logit_scale"].exp(),
        VARIANTS[variant],
        BatchContext(masked=False),
    )
    values, with_windows = loss_parts(parts, variant), videos.valid[:, 1:].any(1)
    if f"loss/{variant}" in outputs:
        yield from compare_loss_parts(recording, inputs, outputs, f"loss/{variant}", values, with_windows)
    if not any(name.startswith(f"loss/{variant}/") for name in outputs):
        return
    if not with_windows.all():
        raise NotCompared("the release's gradients are NaN, since a video has no window")
    values[0].backward()
    for name, tensor in hidden.items():
        gradient, key = tensor.grad, f"loss/{variant}/dloss_d_{name}"
        if gradient is None:
            raise RuntimeError(f"{variant}: the loss does not depend on {name}")
        if key in outputs:
            yield relative(f"{label}/{key}", gradient, outputs.tensor(key), limit)
        norm = f"loss/{variant}/norm_dloss_d_{name}"
        if norm in outputs:
            yield elementwise(f"{label}/{norm}", gradient.double().norm(), outputs.tensor(norm), limit)


def _videos(recording: Recording, model: SEDS, inputs: Arrays, prefix: str) -> VideoTokens:
    """The recorded streams of a set of videos; their fusion, where both are."""
    sizes = {"D": recording.sizes.embed}
    recorded = [stream for stream in ("pose", "rgb") if f"{prefix}{stream}_hidden" in inputs]
    streams = {stream: inputs.tensor(f"{prefix}{stream}_hidden", "B", "T", "D", sizes=sizes) for stream in recorded}
    if not streams:
        raise NotCompared(f"{inputs.path.name} has no {prefix}pose_hidden and no {prefix}rgb_hidden")
    valid = inputs.tensor(f"{prefix}video_mask", "B", "T", sizes=sizes) == 0
    check_positions(recording, sizes["T"])
    if len(streams) == 2:
        streams["fusion"] = model.fusion(streams["pose"], streams["rgb"], valid, masked=False)
    return VideoTokens(streams, valid)


def _text(inputs: Arrays, prefix: str, suffix: str = "") -> TextTokens:
    sizes: dict[str, int] = {}
    tokens = inputs.tensor(f"{prefix}text_hidden{suffix}", "N", "L", "D", sizes=sizes)
    return TextTokens(tokens, inputs.tensor(f"{prefix}text_mask{suffix}", "N", "L", sizes=sizes) > 0)


def _logit_scale(inputs: Arrays) -> Tensor:
    return torch.tensor(inputs.number("logit_scale"), dtype=inputs.precision)


def _check_pairs(videos: VideoTokens, text: TextTokens) -> None:
    """Raises NotCompared where there is no loss: without both streams, or a text for each video."""
    if "fusion" not in videos.streams:
        raise NotCompared(f"it needs pose and RGB, recorded is {' and '.join(videos.streams)}")
    if len(videos.valid) != len(text.valid):
        raise NotCompared(f"{len(videos.valid)} videos and {len(text.valid)} texts are not pairs")
