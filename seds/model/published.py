"""Weights of the released system: sizes from their shapes, loading, and writing in their layout."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from seds.config import ModelSizes
from seds.errors import SedsError, first_few
from seds.model.fusion import sinusoid
from seds.model.pose_encoder.released import as_released, graph_tables
from seds.model.published_names import OURS_ALONE, TABLES, UNUSED, is_half, published_name
from seds.model.seds import EQUAL, SEDS
from seds.weightfiles import read_state

POSITIONS = 5000  # rows of the released position table
HEAD_WIDTH = 64  # of the transformers, CLIP's
MOST_LISTED = 20  # lines of an error


class PublishedTensorsError(SedsError, ValueError):
    """Tensors are not a released SEDS of the model's sizes; the message lists what does not fit."""


def sizes_of(shapes: Mapping[str, Sequence[int]]) -> ModelSizes:
    """Sizes of the network whose tensors have these released names and shapes.

    Sizes that no shape determines are as published: heads of the fusion, frames per window, words per text.
    Raises PublishedTensorsError naming a tensor that is missing or has other dimensions than expected.
    """
    published = ModelSizes()

    def shape(name: str, dimensions: int) -> Sequence[int]:
        if name not in shapes:
            raise PublishedTensorsError(f"not a released SEDS: it has no tensor {name!r}")
        if len(shapes[name]) < dimensions:
            raise PublishedTensorsError(f"not a released SEDS: {name} has shape {tuple(shapes[name])}")
        return shapes[name]

    def layers(prefix: str) -> int:
        return len({name.removeprefix(prefix).split(".")[0] for name in shapes if name.startswith(prefix)})

    if any(name.startswith("fusion.") for name in shapes) and not layers("fusion.P2R_layers."):
        raise PublishedTensorsError(
            "the checkpoint's fusion has no gloss attention (fusion.P2R_layers), so it is the plain MLP or another; "
            "the tensor names of those are not known, and only Cross Gloss Attention Fusion can be read"
        )
    context, text_width = shape("clip.positional_embedding", 2)
    positions, tower_width = shape("clip.visual.positional_embedding", 2)
    hand, fusion = "signbert.embed.st_gcn_hand.st_gcn_networks", "fusion.P2R_layers"
    channels = [shape(f"{hand}.{i}.tcn.3.weight", 1)[0] for i in range(3)]
    keys = [
        shape(f"{fusion}.{i}.src_src_att.sample_offsets.weight", 1)[0] // published.fusion_heads
        for i in range(layers(f"{fusion}."))
    ]
    return ModelSizes(
        embed=shape("clip.text_projection", 2)[1],
        max_windows=positions - 1,
        gcn_channels=(channels[0], channels[1], channels[2]),
        gcn_out=shape("signbert.embed.st_gcn_hand.conv4.0.weight", 1)[0],
        rgb_features=shape("clip_rgb.visual.conv1.weight", 2)[1],
        tower_width=tower_width,
        tower_layers=layers("clip.visual.transformer.resblocks."),
        tower_heads=tower_width // HEAD_WIDTH,
        text_width=text_width,
        text_layers=layers("clip.transformer.resblocks."),
        text_heads=text_width // HEAD_WIDTH,
        vocabulary=shape("clip.token_embedding.weight", 2)[0],
        context=context,
        fusion_keys=tuple(keys),
        fusion_feedforward=shape(f"{fusion}.0.feed_forward.pwff_layer.0.weight", 2)[0],
    )


def load_published(model: SEDS, weights: Mapping[str, Tensor], allow: Collection[str] = ()) -> list[str]:
    """Fill the model from tensors under their released names, in half or single precision.

    allow: names that may be missing or mis-shaped (the model's tensor stays) or unknown (ignored). Returns those of
    them that were. Raises PublishedTensorsError listing what is missing, unknown or of the wrong size, and constant
    tables that differ from this model's. 1x1 convolutions are linear layers here.
    """
    _check_released(model)
    wanted = {published_name(name): tensor for name, tensor in model.state_dict().items() if name not in OURS_ALONE}
    given = {name: tensor for name, tensor in weights.items() if name not in (*UNUSED, *TABLES)}
    problems = fill(wanted, given, allow)
    for name, table in tables(model).items():
        if name in weights and name not in allow and not _equal_tables(weights[name], table):
            problems[name] = f"{name} differs from this model's table"
    if refused := [line for name, line in problems.items() if name not in allow]:
        raise PublishedTensorsError(
            "not weights of a SEDS of these sizes (known differences can be allowed by name):\n" + listed(refused)
        )
    return list(problems)


def load_signbert(model: SEDS, path: Path, allow: Collection[str] = ()) -> str:
    """Start the pose encoder from a pretraining checkpoint such as the release's pretrain_signbert.pth.

    Its tensors have the released names, with or without `signbert.`; some may be missing. Returns a line that says what
    was filled and what was not. Raises PublishedTensorsError for a model without a pose encoder, for tensors that the
    encoder does not have or has in another shape, unless `allow` names them, and when none fits; WeightFileError when
    the file cannot be read.
    """
    if "pose" not in model.streams:
        raise PublishedTensorsError(
            f"a model of the stream {', '.join(model.streams)} alone has no pose encoder to start from {path}; "
            "set train.<profile>.signbert to null"
        )
    targets = {
        published_name(f"pose_encoder.{name}"): tensor for name, tensor in model.pose_encoder.state_dict().items()
    }
    given = {f"signbert.{name.removeprefix('signbert.')}": tensor for name, tensor in read_state(path).items()}
    given = {name: tensor for name, tensor in given.items() if name not in TABLES}
    allowed = {f"signbert.{name.removeprefix('signbert.')}" for name in allow}
    fitting, missing = targets.keys() & given.keys(), sorted(targets.keys() - given.keys())
    problems = fill(targets, given, {*allowed, *missing})
    refused = [line for name, line in problems.items() if name not in allowed and name not in missing]
    if refused or not fitting:
        raise PublishedTensorsError(
            f"{path} does not fit the pose encoder; tensors to leave out can be named in train.*.signbert_allow:\n"
            + listed(refused or [f"missing: {name}" for name in missing])
        )
    parts = sorted({name.removeprefix("signbert.").removeprefix("embed.").split(".")[0] for name in missing})
    return f"{path}: {len(fitting - problems.keys())} of {len(targets)} tensors of the pose encoder filled" + (
        f"; not in the file: {len(missing)} tensors of {', '.join(parts)}" if missing else ""
    )


@torch.no_grad()
def fill(targets: Mapping[str, Tensor], given: Mapping[str, Tensor], allow: Collection[str] = ()) -> dict[str, str]:
    """Copy each given tensor into the target of its name; nothing is copied when a problem is not in `allow`.

    Dimensions of 1 do not matter. Returns {name: what does not fit}.
    """
    problems = {name: f"missing: {name} {tuple(targets[name].shape)}" for name in targets if name not in given}
    problems |= {name: f"unknown: {name} {tuple(given[name].shape)}" for name in given if name not in targets}
    problems |= {
        name: f"{name} {tuple(given[name].shape)}, the model has {tuple(target.shape)}"
        for name, target in targets.items()
        if name in given and _squeezed(given[name]) != _squeezed(target)
    }
    if all(name in allow for name in problems):
        for name, target in targets.items():
            if name not in problems:
                target.copy_(given[name].reshape(target.shape))
    return problems


def published_state(model: SEDS, half: bool) -> dict[str, Tensor]:
    """Every tensor of a released checkpoint except the UNUSED, with the released names, shapes and tables.

    half: store what the release stores in float16 (weights of the towers' matrix products) that way; False = all in
    float32. Raises PublishedTensorsError for a model of one stream or with another fusion, and when the model
    standardises RGB features or weighs the streams, which the released layout cannot represent.
    """
    _check_released(model)
    if model.rgb_mean.any() or (model.rgb_std != 1).any():
        raise PublishedTensorsError(
            "the model standardises its RGB features, which the released layout cannot represent; "
            "train with train.<profile>.standardise_rgb: false to export"
        )
    if model.pose_weight != EQUAL:
        raise PublishedTensorsError(
            f"the model's fusion weighs pose {model.pose_weight.item():g}, which the released layout cannot represent; "
            "train with train.stream_weights: equal to export"
        )
    state = dict(tables(model))
    for name, tensor in model.state_dict().items():
        if name not in OURS_ALONE:
            theirs = published_name(name)
            tensor = as_released(theirs, tensor.detach().clone())
            state[theirs] = tensor.half() if half and is_half(theirs) else tensor
    return state


def unused_tensors(half: bool) -> dict[str, Tensor]:
    """Placeholders for the tensors that the release saves and never uses: ones and zeros."""
    filled = {name: torch.ones(()) if "logit_scale" in name else torch.zeros(64, 128, 1, 1) for name in UNUSED}
    return {name: tensor.half() if half and is_half(name) else tensor for name, tensor in filled.items()}


def tables(model: SEDS) -> dict[str, Tensor]:
    """The released constants as this model has them, float32."""
    found = {"fusion.pe.pe": sinusoid(POSITIONS, model.sizes.embed)[None], **graph_tables()}
    return {name: found[name] for name in TABLES}


def _check_released(model: SEDS) -> None:
    """Raises PublishedTensorsError for a model with parts whose released names are not known."""
    sizes = model.sizes
    if sizes.streams != "both" or sizes.fusion != "cgaf" or sizes.text != "clip":
        raise PublishedTensorsError(
            f"model.streams is {sizes.streams}, model.fusion {sizes.fusion} and model.text {sizes.text}; the release's "
            "tensor names are known for both streams with cgaf and clip only"
        )


def listed(lines: Sequence[str]) -> str:
    """The first lines, indented, and how many more there are."""
    return "\n".join(f"  {line}" for line in first_few(lines, MOST_LISTED))


def _equal_tables(given: Tensor, ours: Tensor) -> bool:
    if given.dim() != ours.dim() or (given.dim() == 3 and given.shape[2] != ours.shape[2]):
        return False
    rows = min(given.shape[1], ours.shape[1])  # a position table may be longer or shorter
    return torch.allclose(given[:, :rows].float(), ours[:, :rows], atol=1e-5)


def _squeezed(tensor: Tensor) -> list[int]:
    return [size for size in tensor.shape if size != 1]
