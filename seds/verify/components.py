"""The parts of the model, one at a time, against their recorded inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.data.joints import UPPER_BODY
from seds.model.fusion import GlossFusion
from seds.model.pose_encoder.graph_network import GraphNetwork
from seds.model.pose_encoder.temporal import Packing
from seds.model.towers import TextTower
from seds.skeleton import HAND_NAMES
from seds.verify.activations import Layout, inner_activations, recorded_output, watching
from seds.verify.arrays import Arrays, NotCompared, as_recorded
from seds.verify.comparison import Comparison, Note, Result, relative, same
from seds.verify.recordings import Recording

JOINTS = {"hand": len(HAND_NAMES), "body": len(UPPER_BODY)}


@torch.no_grad()
def graph_networks(recording: Recording) -> Iterator[Result]:
    """Hand and body networks with their inner activations."""
    inputs, outputs = recording.read("gcn")
    encoder = recording.model("pose_encoder.").pose_encoder
    for part in JOINTS:
        for case in sorted(
            {int(match[1]) for name in inputs if (match := re.fullmatch(rf"{part}_(?:in|out)_(\d+)", name))}
        ):
            results = _graph_network(recording, inputs, outputs, getattr(encoder, part), part, case)
            yield from as_recorded(f"{outputs.label}/{part}_out_{case}", results)


def _graph_network(
    recording: Recording, inputs: Arrays, outputs: Arrays, network: GraphNetwork, part: str, case: int
) -> Iterator[Result]:
    joints = inputs.tensor(f"{part}_in_{case}", "B", "T", JOINTS[part], 2)
    batch, frames = joints.shape[:2]

    def nodes_last(y: Tensor) -> Tensor:
        return y.permute(1, 2, 0)  # [J, N, C] -> [N, C, J]

    def time_last(y: Tensor) -> Tensor:
        return y.view(batch, frames, -1).transpose(1, 2)  # [B T, C] -> [B, C, T]

    # As recorded: the features that the temporal blocks get are called conv4.
    modules: dict[str, tuple[nn.Module, Layout]] = {"data_bn": (network.data_norm, lambda y: y)}
    modules |= {f"st_gcn{i}": (unit, nodes_last) for i, unit in enumerate(network.units)}
    modules |= {f"pool{i}": (unit, nodes_last) for i, unit in enumerate(network.pooled_units)}
    modules |= {f"tcn{i}": (block, time_last) for i, block in enumerate(network.temporal, start=1)}
    with watching(modules) as activations:
        hook = network.temporal[0].register_forward_pre_hook(lambda _m, inputs: activations.update(conv4=inputs[0]))
        features = network(joints.flatten(0, 1), Packing(torch.full((batch,), frames)))
        hook.remove()
    yield from inner_activations(f"{part}_mid_{case}_", activations, outputs, recording.limit)
    expected = outputs.tensor(f"{part}_out_{case}", batch, frames, features.shape[-1]).flatten(0, 1)
    yield relative(f"{outputs.label}/{part}_out_{case}", features, expected, recording.limit)


@torch.no_grad()
def windows(recording: Recording) -> Iterator[Result]:
    """Frame features, the gathering of windows and the window block; how far the batch's padding leaks."""
    inputs, outputs = recording.read("clips")
    encoder = recording.model("pose_encoder.").pose_encoder
    sizes: dict[str, int] = {}
    left, right, body = (
        inputs.tensor(f"in_{part}", "B", "T", JOINTS[kind], 2, sizes=sizes)
        for part, kind in (("left", "hand"), ("right", "hand"), ("body", "body"))
    )

    def window_tokens() -> Iterator[Result]:
        frames, starts = frames_and_starts(inputs, recording.sizes.window, sizes)
        if "in_mask" in inputs:
            mask = inputs.numbers("in_mask", "B", sizes["V"] + 1, sizes=sizes)
            yield same(f"{outputs.label}/in_mask", starts >= 0, mask[:, 1:] == 0)
        tokens = encoder(left, right, body, frames, starts, padded=True)
        yield from recorded_output(outputs, "clip_tokens", tokens, recording.limit)

    def features(extra: int) -> Tensor:
        padded = [F.pad(part, (0, 0, 0, 0, 0, extra)) for part in (left, right, body)]
        batch, frames = padded[0].shape[:2]
        flat_left, flat_right, flat_body = (part.flatten(0, 1) for part in padded)
        flat = encoder.frame_features(flat_left, flat_right, flat_body, torch.full((batch,), frames))
        return flat.view(batch, frames, -1)

    def padding_leak() -> Iterator[Result]:
        if "padT_maxdiff_per_frame" not in outputs:
            return
        alone, extra = features(0), int(inputs.number("padT_extra"))
        leak = (features(extra)[:, : alone.shape[1]] - alone).abs().amax((0, 2))
        scale, expected = alone.abs().max().item(), outputs.tensor("padT_maxdiff_per_frame")
        yield relative(f"{outputs.label}/padT_maxdiff", leak, expected, recording.limit, scale)

    yield from as_recorded(f"{outputs.label}/clip_tokens", window_tokens())
    if "frame_feat" in outputs:
        yield from recorded_output(outputs, "frame_feat", features(0), recording.limit)
    yield from as_recorded(f"{outputs.label}/padT_maxdiff", padding_leak())


def frames_and_starts(inputs: Arrays, window: int, sizes: dict[str, int]) -> tuple[Tensor, Tensor]:
    """The frames of each video, [B], and the starts of its windows, [B, V]. sizes: B, T and V."""
    frames = inputs.indices("in_num_frames", 0, sizes["T"], "B", sizes=sizes)
    starts = inputs.indices("in_clips_start", -1, max(0, sizes["T"] - window), "B", "V", sizes=sizes)
    if not frames.all():
        raise NotCompared(
            f"in_num_frames has {int((frames == 0).sum())} videos of no frame, which ours does not encode"
        )
    return frames, starts


@torch.no_grad()
def sequence_towers(recording: Recording) -> Iterator[Result]:
    inputs, outputs = recording.read("visual")
    label, sizes = outputs.label, recording.sizes

    def tower(stream: str, features: int) -> Iterator[Result]:
        module = getattr(recording.model(f"{stream}_tower."), f"{stream}_tower")
        shape: dict[str, int] = {}
        tokens = inputs.tensor(f"{stream}_in", "B", features, "V", 1, sizes=shape)
        check_positions(recording, shape["V"] + 1)
        valid = inputs.tensor("mask", "B", shape["V"] + 1, sizes=shape) == 0
        modules = {"ln_pre": module.ln_pre, "block_last": module.blocks[-1], "block0": module.blocks[0]}
        with watching({name: (watched, lambda y: y) for name, watched in modules.items()}) as activations:
            hidden = module(tokens[..., 0].transpose(1, 2), valid)
        yield from recorded_output(outputs, f"{stream}_hidden", hidden, recording.limit)
        yield from inner_activations(f"{stream}_mid_", activations, outputs, recording.limit)

    yield from as_recorded(f"{label}/pose_hidden", tower("pose", 3 * sizes.gcn_out))
    yield from as_recorded(f"{label}/rgb_hidden", tower("rgb", sizes.rgb_features))


@torch.no_grad()
def text_tower(recording: Recording) -> Iterator[Result]:
    """Two end tokens in a row (the first counts) and none at all are among the recorded rows."""
    inputs, outputs = recording.read("text")
    model, sizes = recording.model("text_tower."), recording.sizes
    tower = model.text_tower
    assert isinstance(tower, TextTower)  # the published one

    def texts(prefix: str) -> Iterator[Result]:
        ids = inputs.indices(f"{prefix}ids", 0, sizes.vocabulary - 1, "B", "L")
        if ids.shape[1] > sizes.context:
            raise NotCompared(f"{prefix}ids has {ids.shape[1]} tokens a text, the model takes {sizes.context} at most")
        with watching({"block0": (tower.blocks[0], lambda y: y)}) as activations:
            text = model.encode_text(ids)
        if f"{prefix}text_mask" in inputs:
            yield same(f"{outputs.label}/{prefix}text_mask", text.valid, inputs.numbers(f"{prefix}text_mask") > 0)
        hidden = text.tokens
        if f"{prefix}hidden" in outputs:  # not every row need have been kept
            hidden = hidden[: len(outputs.numbers(f"{prefix}hidden", "B", "L", "D"))]
        yield from recorded_output(outputs, f"{prefix}hidden", hidden, recording.limit)
        yield from inner_activations(f"{prefix}mid_", activations, outputs, recording.limit)

    for prefix in ("", "short_"):
        if any(f"{prefix}{name}" in inputs for name in ("ids", "hidden")):
            yield from as_recorded(f"{outputs.label}/{prefix}hidden", texts(prefix))


@torch.no_grad()
def fusion(recording: Recording) -> Iterator[Result]:
    """Cross Gloss Attention Fusion with its sampling offsets; videos of one window and of none."""
    inputs, outputs = recording.read("cgaf")
    module, label = recording.model("fusion.").fusion, outputs.label
    if not isinstance(module, GlossFusion):
        raise TypeError(f"{label}: the recorded fusion is Cross Gloss Attention Fusion, not {type(module).__name__}")
    modules = {
        f"{name}{i}{end}": (layer.get_submodule(part), lambda y: y)
        for name, layers in (("P2R", module.pose_layers), ("R2P", module.rgb_layers))
        for i, layer in enumerate(layers)
        for end, part in (("", ""), ("_att", "attention"), ("_offsets", "attention.offsets"))
    }
    sizes = {"D": recording.sizes.embed}
    pose, rgb = (inputs.tensor(stream, "B", "T", "D", sizes=sizes) for stream in ("pose", "rgb"))
    check_positions(recording, sizes["T"])

    def fused() -> Iterator[Result]:
        valid = inputs.tensor("mask", "B", "T", sizes=sizes) == 0
        with watching(modules) as activations:
            tokens = module(pose, rgb, valid, masked=False)
        rows = valid[:, 1:].any(1)
        if not rows.all():
            yield without_windows(label, rows)
        activations = {name: activation[rows] for name, activation in activations.items()}
        yield from inner_activations("mid_", activations, outputs, recording.limit, rows)
        expected = outputs.tensor("fused", "B", "T", "D", sizes=sizes)
        yield relative(f"{label}/fused", tokens[rows], expected[rows], recording.limit)
        if outputs.text("batch1_error", "") and rows[0]:
            alone = module(pose[:1], rgb[:1], valid[:1], masked=False)
            one = relative(f"{label}/batch of one", alone, expected[:1], recording.limit)
            yield Comparison(one.name, one.error, one.limit, "the release raises here; ours gives the row of the batch")

    def zero_clips() -> Iterator[Result]:
        valid = outputs.tensor("zero_clips_mask", "Z", "T", sizes=sizes) == 0
        expected = outputs.tensor("zero_clips_fused_isnan", "Z", "T", sizes=sizes) > 0
        if len(valid) > len(pose):
            raise NotCompared(f"zero_clips_mask has {len(valid)} rows, pose only {len(pose)}")
        isnan = module(pose[: len(valid)], rgb[: len(valid)], valid, masked=False).isnan().any(-1)
        with_windows = valid[:, 1:].any(1)
        yield same(f"{label}/zero_clips", isnan[with_windows], expected[with_windows])
        theirs, ours = ("NaN" if some.any() else "numbers" for some in (expected[~with_windows], isnan[~with_windows]))
        yield Note(f"{label}/zero_clips", f"no window: the release gives {theirs}, ours {ours}")

    yield from as_recorded(f"{label}/fused", fused())
    if "zero_clips_mask" in outputs:
        yield from as_recorded(f"{label}/zero_clips", zero_clips())


def check_positions(recording: Recording, positions: int) -> None:
    """Raises NotCompared for sequences of another length than the model's, which the release cannot have either."""
    expected = recording.sizes.max_windows + 1
    if positions != expected:
        raise NotCompared(
            f"sequences of {positions} tokens; the configuration's have {expected}, the class token included"
        )


def without_windows(label: str, with_windows: Tensor) -> Note:
    """with_windows: bool [B], which videos of a batch have a window."""
    count = int((~with_windows).sum())
    return Note(
        f"{label}/videos without a window",
        f"{count} of {len(with_windows)}: the release's fusion is NaN there, ours gives numbers; they are left out",
    )
