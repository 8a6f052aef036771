"""A whole step from raw inputs: tokens, matrices, losses, every parameter's gradient, the running statistics after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seds.config import Losses, ModelSizes
from seds.data.batches import Batch
from seds.model.published_names import OURS_ALONE, UNUSED, published_name
from seds.model.seds import SEDS, VideoTokens
from seds.verify.comparison import Comparison, Note, Result, elementwise, relative, same
from seds.verify.recordings import Recording, shake, without_dropout
from seds.verify.scores import loss_limit, loss_parts, matrices, normal, similarity

PUBLISHED = Losses(duplicates="negative")
MODES = {
    "evalbn": PUBLISHED,
    "evalbn_kl": Losses(duplicates="negative", distill_pose=0.5, distill_rgb=0.5),
    "trainbn": PUBLISHED,
}
# A bias in front of batch statistics has no gradient; what is recorded of it is rounding, up to 2e-5.
BEFORE_STATISTICS = ("tcn.3.bias", "residual.0.bias", "conv4.0.bias", "conv1x1.bias")
HIDDEN = {"pose": "pose_hidden", "rgb": "rgb_hidden", "fusion": "fused"}  # stream -> its tokens' recorded name
ROUNDING = 1e-4


def batch_of(inputs: dict[str, Tensor]) -> Batch:
    return Batch(
        left=inputs["in_left"],
        right=inputs["in_right"],
        body=inputs["in_body"],
        frames=inputs["in_num_frames"],
        window_starts=inputs["in_clips_start"],
        rgb=inputs["in_rgb"][..., 0].transpose(1, 2),
        ids=inputs["in_ids"][:, 0],
        ids_swapped=inputs["in_ids_aug"][:, 0],
    )


def step(recording: Recording, mode: str) -> Iterator[Result]:
    """One forward and backward pass. mode: a key of MODES; `trainbn` is with batch statistics and without dropout."""
    inputs, outputs = recording.read("step")
    label = f"{recording.label('step')}/{mode}"
    if f"{mode}/loss_parts" not in outputs:
        yield Note(label, "not recorded in this precision" if recording.exact else "not recorded")
        return
    training, batch = mode == "trainbn", batch_of(inputs)
    model = recording.model()
    if training:
        without_dropout(model.train())
    seen = _watch(model)
    parts = model(batch, MODES[mode])
    expected = {key.removeprefix(f"{mode}/"): value for key, value in outputs.items() if key.startswith(f"{mode}/")}
    found = _tokens_and_matrices(model, batch, seen)
    for name, tensor in found.items():
        if name in expected:
            if tensor.dtype == torch.bool:
                yield same(f"{label}/{name}", tensor, expected[name] > 0)
            else:
                yield relative(f"{label}/{name}", tensor, expected[name], recording.limit)
    yield elementwise(f"{label}/loss_parts", loss_parts(parts), expected["loss_parts"], loss_limit(recording))

    parts["total"].backward()
    gradients = {published_name(name): p.grad for name, p in model.named_parameters() if p.grad is not None}
    names = recording.strings("step")[f"{mode}/grad_names"]
    yield same(f"{label}/grad_none", set(gradients) == set(names), True)
    yield same(f"{label}/grad_none (unused)", set(recording.strings("step")[f"{mode}/grad_none"]) <= set(UNUSED), True)
    yield from _gradients(label, recording, names, gradients, expected, training)
    if training:
        state = {published_name(name): t for name, t in model.state_dict().items() if name not in OURS_ALONE}
        for key in (key for key in expected if key.startswith("after/")):
            yield relative(f"{label}/{key}", state[key.removeprefix("after/")], expected[key], 1e-5)


@torch.no_grad()
def end_to_end(recording: Recording, path: Path) -> Iterator[Result]:
    """A batch that the published loader made (collate_CORPUS.npz), through the network to its similarity matrices."""
    corpus = path.stem.removeprefix("e2e_").removesuffix(f"_{recording.prefix}")
    source = path.parent / f"collate_{corpus}.npz"
    if not source.is_file():
        yield Note(path.stem, f"{source.name} is not in the folder")
        return
    with np.load(source) as file:
        made = {key: torch.from_numpy(file[key]) for key in file.files if key.startswith("batch/")}
    with np.load(path) as file:
        expected = {key: torch.from_numpy(file[key]) for key in file.files}
    left, ids = made["batch/left_pose"], made["batch/pairs_text"][:, 0]
    batch = Batch(
        left=left,
        right=made["batch/right_pose"],
        body=made["batch/body_pose"],
        frames=torch.full((len(left),), left.shape[1]),  # the loader has repeated short videos' last frames already
        window_starts=made["batch/body_clips_start"],
        rgb=made["batch/RGB_feature"][..., 0].transpose(1, 2),
        ids=ids,
        ids_swapped=ids,
    )
    model = recording.model()
    video, text = model.encode_video(batch), model.encode_text(ids)
    yield same(f"{path.stem}/video_mask", ~video.valid, expected["video_mask"] > 0)
    yield same(f"{path.stem}/text_mask", text.valid, expected["text_mask"] > 0)
    hidden = {name: video.streams[stream] for stream, name in HIDDEN.items()} | {"text_hidden": text.tokens}
    for name, tokens in hidden.items():
        yield relative(f"{path.stem}/{name}_first4", tokens[:, :4], expected[f"{name}_first4"], recording.limit)
        yield relative(f"{path.stem}/{name}_norms", tokens.norm(dim=-1), expected[f"{name}_norms"], recording.limit)
    words = normal(text.tokens, text.valid)
    for name, matrix in matrices(video, words, words, model.logit_scale.exp()).items():
        if name in expected:
            yield relative(f"{path.stem}/{name}", matrix, expected[name], recording.limit)
    for stream, matrix in similarity(model, video, text).items():
        mean = 0.5 * (expected[f"I2T_{stream}"] + expected[f"T2I_{stream}"])
        yield relative(f"{path.stem}/similarity of {stream}", matrix, mean, recording.limit)


def _watch(model: SEDS) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    for name in ("pose_tower", "rgb_tower", "fusion", "text_tower"):

        def keep(_module: nn.Module, _inputs: Any, output: Tensor, name: str = name) -> None:
            seen[name] = output

        getattr(model, name).register_forward_hook(keep)
    return seen


@torch.no_grad()
def _tokens_and_matrices(model: SEDS, batch: Batch, seen: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under their recorded names."""
    used = batch.window_starts >= 0
    valid = torch.cat([used.new_ones(len(used), 1), used], 1)
    streams = {"fusion": seen["fusion"], "pose": seen["pose_tower"], "rgb": seen["rgb_tower"]}
    plain, swapped = seen["text_tower"].chunk(2)
    text_valid = [torch.arange(ids.shape[1]) <= ids.argmax(1, True) for ids in (batch.ids, batch.ids_swapped)]
    return {
        **{name: streams[stream] for stream, name in HIDDEN.items()},
        "text_hidden": plain,
        "text_hidden_aug": swapped,
        "video_mask": ~valid,
        "text_mask": text_valid[0],
        "text_mask_aug": text_valid[1],
        **matrices(
            VideoTokens(streams, valid),
            normal(plain, text_valid[0]),
            normal(swapped, text_valid[1]),
            model.logit_scale.exp(),
        ),
    }


def _gradients(
    label: str,
    recording: Recording,
    names: list[str],
    gradients: dict[str, Tensor],
    expected: dict[str, Tensor],
    training: bool,
) -> Iterator[Result]:
    """Norm and projection of every gradient, the largest error named; some gradients in full."""
    norm_limit, projection_limit, element_limit = _limits(recording, training)
    constant = [
        name for name in names if training and name.startswith("signbert.") and name.endswith(BEFORE_STATISTICS)
    ]
    norm_errors: dict[str, float] = {}
    projection_errors: dict[str, float] = {}
    for i, name in enumerate(names):
        gradient, norm = gradients[name].double().flatten(), float(expected["grad_norms"][i])
        if name in constant:
            continue
        norm_errors[name] = abs(gradient.norm().item() - norm) / norm
        if "grad_projs" in expected:
            along = torch.from_numpy(shake(f"gradproj:{name}", gradient.numel()).astype(np.float64) / 128)
            projection_errors[name] = abs((gradient @ along).item() - float(expected["grad_projs"][i])) / norm
    for key, errors, limit in (
        ("grad_norms", norm_errors, norm_limit),
        ("grad_projs", projection_errors, projection_limit),
    ):
        if errors:
            worst = max(errors, key=lambda name: errors[name])
            yield Comparison(f"{label}/{key}", errors[worst], limit, f"{len(errors)} tensors, worst {worst}")
    if constant:
        largest = max(gradients[name].norm().item() for name in constant)
        detail = f"{len(constant)} biases before batch statistics, without gradient but for rounding (absolute)"
        yield Comparison(f"{label}/grad_norms of 0", largest, ROUNDING, detail)
    for key in (key for key in expected if key.startswith("grad/")):
        yield relative(f"{label}/{key}", gradients[key.removeprefix("grad/")], expected[key], element_limit)


def _limits(recording: Recording, training: bool) -> tuple[float, float, float]:
    """Of norms, projections (over the norm) and elements, for recordings of the published or of reduced sizes.

    A few activations lie so near a ReLU's or a maximum's kink that float32 rounding decides their side. The recorded
    system's float32 is itself away from its float64 there: single elements at published sizes by up to 1e-2 in
    training and by 7e-4 otherwise, and another float32 as far on another side.
    """
    if recording.exact:
        return 1e-7, 1e-7, 1e-7
    full = recording.sizes == ModelSizes()
    projection = 1e-2 if full else 2e-3
    return (1e-2, projection, projection) if training else (1e-3, projection, 2e-3 if full else 1e-3)
