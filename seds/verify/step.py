"""A whole step from raw inputs: tokens, matrices, losses, every parameter's gradient, the running statistics after."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from seds.config import Losses, ModelSizes
from seds.data.batches import Batch
from seds.model.published_names import OURS_ALONE, UNUSED, published_name
from seds.model.seds import SEDS
from seds.model.similarity import VideoTokens
from seds.verify.activations import watching
from seds.verify.arrays import Arrays, NotCompared, RecordingError, as_recorded
from seds.verify.comparison import Comparison, Note, Result, relative, same
from seds.verify.components import JOINTS, check_positions, frames_and_starts, without_windows
from seds.verify.recordings import Recording, shake, without_dropout
from seds.verify.scores import compare_loss_parts, compare_matrix, loss_parts, matrices, normal

PUBLISHED = Losses(duplicates="negative")
DISTILLED = Losses(duplicates="negative", distill_pose=0.5, distill_rgb=0.5)
MODES = {"evalbn": PUBLISHED, "evalbn_kl": DISTILLED, "trainbn": PUBLISHED, "trainbn_kl": DISTILLED}
TRAINING = "trainbn"  # modes that begin so are with batch statistics and without dropout
# A bias in front of batch statistics has no gradient; what is recorded of it is rounding, up to 2e-5.
BEFORE_STATISTICS = ("tcn.3.bias", "residual.0.bias", "conv4.0.bias", "conv1x1.bias")
HIDDEN = {"pose": "pose_hidden", "rgb": "rgb_hidden", "fusion": "fused"}  # stream -> its tokens' recorded name
TOWERS = ("pose_tower", "rgb_tower", "fusion", "text_tower")
ROUNDING = 1e-4
AFTER = 1e-5  # limit of running statistics, relative


def steps(recording: Recording) -> Iterator[Result]:
    """One forward and backward pass of each recorded mode."""
    inputs, outputs = recording.read("step")
    if "in_mask" in outputs:
        yield from as_recorded(f"{outputs.label}/in_mask", _mask(outputs))
    for mode in sorted({name.split("/")[0] for name in outputs if "/" in name}):
        label = f"{outputs.label}/{mode}"
        if mode in MODES:
            yield from as_recorded(label, _step(recording, inputs, outputs, mode))
        else:
            yield Note(label, f"unknown mode; known: {', '.join(MODES)}")


def _mask(outputs: Arrays) -> Iterator[Result]:
    used, mask = outputs.numbers("in_clips_start", "B", "V") >= 0, outputs.numbers("in_mask", "B", "P")
    yield same(f"{outputs.label}/in_mask", used, mask[:, 1:] == 0)


def _step(recording: Recording, inputs: Arrays, outputs: Arrays, mode: str) -> Iterator[Result]:
    label, training, batch = f"{outputs.label}/{mode}", mode.startswith(TRAINING), _batch(recording, inputs)
    model = recording.model()
    if training:
        without_dropout(model.train())
    with_windows = (batch.window_starts >= 0).any(1)
    if not with_windows.all():
        yield without_windows(label, with_windows)
    with watching({name: (getattr(model, name), lambda y: y) for name in TOWERS}) as activations:
        parts = model(batch, MODES[mode])
    yield from _tokens_and_matrices(model, batch, activations, outputs, mode, recording.limit)
    if f"{mode}/loss_parts" in outputs:
        values = loss_parts(parts)
        yield from compare_loss_parts(recording, inputs, outputs, f"{mode}/loss_parts", values, with_windows)
    else:
        yield Note(f"{label}/loss_parts", "not recorded")
    if training:
        yield from _running_statistics(model, outputs, mode)
    if any(name.startswith(f"{mode}/grad") for name in outputs):
        if not with_windows.all():
            raise NotCompared("the release's gradients are NaN, since a video has no window")
        parts["total"].backward()
        yield from _gradients(recording, model, inputs, outputs, mode)


def _batch(recording: Recording, inputs: Arrays) -> Batch:
    sizes: dict[str, int] = {}
    model = recording.sizes
    joints = {
        part: inputs.tensor(f"in_{part}", "B", "T", JOINTS[kind], 2, sizes=sizes)
        for part, kind in (("left", "hand"), ("right", "hand"), ("body", "body"))
    }
    frames, starts = frames_and_starts(inputs, model.window, sizes)
    check_positions(recording, sizes["V"] + 1)
    ids, ids_swapped = (
        inputs.indices(name, 0, model.vocabulary - 1, "B", 1, "L", sizes=sizes)[:, 0]
        for name in ("in_ids", "in_ids_aug")
    )
    rgb = inputs.tensor("in_rgb", "B", model.rgb_features, "V", 1, sizes=sizes)
    return Batch(
        **joints,
        frames=frames,
        window_starts=starts,
        rgb=rgb[..., 0].transpose(1, 2),
        ids=ids,
        ids_swapped=ids_swapped,
    )


@torch.no_grad()
def _tokens_and_matrices(
    model: SEDS, batch: Batch, activations: dict[str, Tensor], outputs: Arrays, mode: str, limit: float
) -> Iterator[Result]:
    used = batch.window_starts >= 0
    valid, with_windows = torch.cat([used.new_ones(len(used), 1), used], 1), used.any(1)
    streams = {"fusion": activations["fusion"], "pose": activations["pose_tower"], "rgb": activations["rgb_tower"]}
    plain, swapped = activations["text_tower"].chunk(2)
    text_valid, swapped_valid = (
        torch.arange(ids.shape[1]) <= ids.argmax(1, True) for ids in (batch.ids, batch.ids_swapped)
    )
    masks = {"video_mask": ~valid, "text_mask": text_valid, "text_mask_aug": swapped_valid}
    for name, mask in masks.items():
        if f"{mode}/{name}" in outputs:
            yield same(f"{outputs.label}/{mode}/{name}", mask, outputs.numbers(f"{mode}/{name}") > 0)
    tokens = {name: streams[stream] for stream, name in HIDDEN.items()}
    tokens |= {"text_hidden": plain, "text_hidden_aug": swapped}
    for name, ours in tokens.items():
        if f"{mode}/{name}" in outputs:
            expected = outputs.tensor(f"{mode}/{name}")
            if name == HIDDEN["fusion"] and expected.shape == ours.shape:
                ours, expected = ours[with_windows], expected[with_windows]
            yield relative(f"{outputs.label}/{mode}/{name}", ours, expected, limit)
    words, swapped_words = normal(plain, text_valid), normal(swapped, swapped_valid)
    scale = model.logit_scale.exp()
    for name, matrix in matrices(VideoTokens(streams, valid), words, swapped_words, scale).items():
        recorded = f"{mode}/{name}"
        yield from compare_matrix(f"{outputs.label}/{recorded}", matrix, outputs, recorded, limit, with_windows)


def _running_statistics(model: SEDS, outputs: Arrays, mode: str) -> Iterator[Result]:
    """Those of batch normalisation after the forward pass."""
    state = {published_name(name): t for name, t in model.state_dict().items() if name not in OURS_ALONE}
    prefix = f"{mode}/after/"
    for name in (name for name in outputs if name.startswith(prefix)):
        if name.removeprefix(prefix) in state:
            yield relative(f"{outputs.label}/{name}", state[name.removeprefix(prefix)], outputs.tensor(name), AFTER)
        else:
            yield Note(f"{outputs.label}/{name}", "ours has no such tensor")


def _gradients(recording: Recording, model: SEDS, inputs: Arrays, outputs: Arrays, mode: str) -> Iterator[Result]:
    """Which parameters have a gradient; norm and projection of each, the largest error named; some in full."""
    label, training = f"{outputs.label}/{mode}", mode.startswith(TRAINING)
    norm_limit, projection_limit, element_limit = _limits(recording, training)
    gradients = {published_name(name): p.grad for name, p in model.named_parameters() if p.grad is not None}
    constant = [
        name for name in gradients if training and name.startswith("signbert.") and name.endswith(BEFORE_STATISTICS)
    ]
    if f"{mode}/grad_none" in inputs:
        yield same(f"{label}/grad_none (unused)", set(inputs.strings(f"{mode}/grad_none")) <= set(UNUSED), True)
    if f"{mode}/grad_names" in inputs:
        names = inputs.strings(f"{mode}/grad_names")
        yield same(f"{label}/grad_none", set(gradients) == set(names), True)
        compared = [name for name in names if name in gradients and name not in constant]
        norms = _of_names(outputs, names, f"{mode}/grad_norms")
        errors = {
            name: _ratio(abs(gradients[name].double().norm().item() - norms[name]), norms[name]) for name in compared
        }
        yield _worst(f"{label}/grad_norms", errors, norm_limit)
        if f"{mode}/grad_projs" in outputs:
            projections = _of_names(outputs, names, f"{mode}/grad_projs")
            errors = {
                name: _ratio(abs(_projection(name, gradients[name]) - projections[name]), norms[name])
                for name in compared
            }
            yield _worst(f"{label}/grad_projs", errors, projection_limit)
    elif f"{mode}/grad_norms" in outputs:
        yield Note(f"{label}/grad_norms", f"not compared: no {mode}/grad_names says whose they are")
    if constant:
        largest = max(gradients[name].norm().item() for name in constant)
        detail = f"{len(constant)} biases before batch statistics, without gradient but for rounding (absolute)"
        yield Comparison(f"{label}/grad_norms of 0", largest, ROUNDING, detail)
    for name in (name for name in outputs if name.startswith(f"{mode}/grad/")):
        key = name.removeprefix(f"{mode}/grad/")
        if key in gradients:
            yield relative(f"{outputs.label}/{name}", gradients[key], outputs.tensor(name), element_limit)
        else:
            yield Note(f"{outputs.label}/{name}", "ours has no such gradient")


def _of_names(outputs: Arrays, names: list[str], recorded: str) -> dict[str, float]:
    """An array of one number a tensor, by the tensors' names."""
    values = outputs.numbers(recorded, "N").tolist()
    if len(values) != len(names):
        raise RecordingError(f"{outputs.path.name}: {recorded} has {len(values)} numbers for {len(names)} grad_names")
    return dict(zip(names, values, strict=True))


def _projection(name: str, gradient: Tensor) -> float:
    """The gradient along the recorded direction of its name."""
    direction = torch.from_numpy(shake(f"gradproj:{name}", gradient.numel()).astype(np.float64) / 128)
    return (gradient.double().flatten() @ direction).item()


def _ratio(difference: float, norm: float) -> float:
    return difference / norm if norm else difference


def _worst(name: str, errors: dict[str, float], limit: float) -> Comparison:
    """NaN is worse than any number."""
    if not errors:
        return Comparison(name, 0.0, limit, "0 tensors")
    tensor = max(errors, key=lambda key: (np.isnan(errors[key]), errors[key]))
    return Comparison(name, errors[tensor], limit, f"{len(errors)} tensors, worst {tensor}")


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
