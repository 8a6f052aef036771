"""The parts of the model, one at a time, against their recorded inputs and outputs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from seds.model.fusion import GlossFusion
from seds.model.pose_encoder.graph_network import GraphNetwork
from seds.model.pose_encoder.temporal import Packing
from seds.verify.comparison import Comparison, Note, Result, relative, same
from seds.verify.recordings import Recording

Seen = dict[str, Tensor]


@torch.no_grad()
def graph_networks(recording: Recording) -> Iterator[Result]:
    """Hand and body networks with their inner activations."""
    inputs, outputs = recording.read("gcn")
    encoder, label = recording.model().pose_encoder, recording.label("gcn")
    for part in ("hand", "body"):
        network = getattr(encoder, part)
        for case in _numbers(inputs, rf"{part}_in_(\d+)"):
            joints = inputs[f"{part}_in_{case}"]
            seen, hooks = _watch_graph_network(network, *joints.shape[:2])
            features = network(joints.flatten(0, 1), Packing(torch.full(joints.shape[:1], joints.shape[1])))
            for hook in hooks:
                hook.remove()
            yield relative(
                f"{label}/{part}_out_{case}", features, outputs[f"{part}_out_{case}"].flatten(0, 1), recording.limit
            )
            yield from _inner(label, f"{part}_mid_{case}_", seen, outputs, recording.limit)


def _watch_graph_network(network: GraphNetwork, batch: int, frames: int) -> tuple[Seen, list[Any]]:
    """Activations under their recorded names and layouts, filled when the network runs."""
    seen: Seen = {}

    def keep(module: nn.Module, name: str, turn: Callable[[Tensor], Tensor]) -> Any:
        return module.register_forward_hook(lambda _module, _inputs, output: seen.update({name: turn(output)}))

    def nodes_last(y: Tensor) -> Tensor:
        return y.permute(1, 2, 0)  # [J, N, C] -> [N, C, J]

    def in_time(y: Tensor) -> Tensor:
        return y.view(batch, frames, -1).transpose(1, 2)  # [B T, C] -> [B, C, T]

    hooks = [keep(network.data_norm, "data_bn", lambda y: y)]
    hooks += [keep(unit, f"st_gcn{i}", nodes_last) for i, unit in enumerate(network.units)]
    hooks += [keep(unit, f"pool{i}", nodes_last) for i, unit in enumerate(network.pooled_units)]
    hooks.append(
        network.temporal[0].register_forward_pre_hook(lambda _module, inputs: seen.update({"conv4": inputs[0]}))
    )
    hooks += [keep(block, f"tcn{i}", in_time) for i, block in enumerate(network.temporal, start=1)]
    return seen, hooks


@torch.no_grad()
def windows(recording: Recording) -> Iterator[Result]:
    """Frame features, the gathering of windows and the window block; how far the batch's padding leaks."""
    inputs, outputs = recording.read("clips")
    encoder, label = recording.model().pose_encoder, recording.label("clips")
    joints = [inputs[f"in_{part}"] for part in ("left", "right", "body")]
    starts = inputs["in_clips_start"]
    yield same(f"{label}/in_mask", starts >= 0, inputs["in_mask"][:, 1:] == 0)
    tokens = encoder(*joints, inputs["in_num_frames"], starts, padded=True)
    yield relative(f"{label}/clip_tokens", tokens, outputs["clip_tokens"], recording.limit)
    if "frame_feat" not in outputs and "padT_maxdiff_per_frame" not in outputs:
        return

    def features(extra: int) -> Tensor:
        left, right, body = (F.pad(part, (0, 0, 0, 0, 0, extra)) for part in joints)
        batch, frames = left.shape[:2]
        lengths = torch.full((batch,), frames)
        flat = encoder.frame_features(left.flatten(0, 1), right.flatten(0, 1), body.flatten(0, 1), lengths)
        return flat.view(batch, frames, -1)

    plain = features(0)
    if "frame_feat" in outputs:
        yield relative(f"{label}/frame_feat", plain, outputs["frame_feat"], recording.limit)
    if "padT_maxdiff_per_frame" in outputs:
        leak = (features(int(inputs["padT_extra"]))[:, : plain.shape[1]] - plain).abs().amax((0, 2))
        scale = plain.abs().max().item()
        yield relative(f"{label}/padT_maxdiff", leak, outputs["padT_maxdiff_per_frame"], recording.limit, scale)


@torch.no_grad()
def sequence_towers(recording: Recording) -> Iterator[Result]:
    inputs, outputs = recording.read("visual")
    model, label = recording.model(), recording.label("visual")
    for stream in ("pose", "rgb"):
        tower = getattr(model, f"{stream}_tower")
        seen: Seen = {}
        tower.ln_pre.register_forward_hook(lambda _m, _i, y, seen=seen: seen.update(ln_pre=y))
        tower.blocks[-1].register_forward_hook(lambda _m, _i, y, seen=seen: seen.update(block_last=y))
        tower.blocks[0].register_forward_hook(lambda _m, _i, y, seen=seen: seen.update(block0=y))
        tokens = tower(inputs[f"{stream}_in"][..., 0].transpose(1, 2), inputs["mask"] == 0)
        yield relative(f"{label}/{stream}_hidden", tokens, outputs[f"{stream}_hidden"], recording.limit)
        yield from _inner(label, f"{stream}_mid_", seen, outputs, recording.limit)


@torch.no_grad()
def text_tower(recording: Recording) -> Iterator[Result]:
    """Two end tokens in a row (the first counts) and none at all are among the recorded rows."""
    inputs, outputs = recording.read("text")
    model, label = recording.model(), recording.label("text")
    for prefix in ("", "short_"):
        if f"{prefix}ids" not in inputs:
            continue
        seen: Seen = {}
        hook = model.text_tower.blocks[0].register_forward_hook(lambda _m, _i, y, seen=seen: seen.update(block0=y))
        text = model.encode_text(inputs[f"{prefix}ids"])
        hook.remove()
        yield same(f"{label}/{prefix}text_mask", text.valid, inputs[f"{prefix}text_mask"] > 0)
        if f"{prefix}hidden" in outputs:
            expected = outputs[f"{prefix}hidden"]  # not every row need have been kept
            yield relative(f"{label}/{prefix}hidden", text.tokens[: len(expected)], expected, recording.limit)
        yield from _inner(label, f"{prefix}mid_", seen, outputs, recording.limit)


@torch.no_grad()
def fusion(recording: Recording) -> Iterator[Result]:
    """Cross Gloss Attention Fusion with its sampling offsets; videos of one window and of none."""
    inputs, outputs = recording.read("cgaf")
    module, label = recording.model().fusion, recording.label("cgaf")
    if not isinstance(module, GlossFusion):
        raise TypeError(f"{label}: the recorded fusion is Cross Gloss Attention Fusion, not {type(module).__name__}")
    seen: Seen = {}
    hooks = []
    for name, layers in (("P2R", module.pose_layers), ("R2P", module.rgb_layers)):
        for i, layer in enumerate(layers):
            for end, part in (("", ""), ("_att", "attention"), ("_offsets", "attention.offsets")):
                key, watched = f"{name}{i}{end}", layer.get_submodule(part)
                hooks.append(watched.register_forward_hook(lambda _m, _i, y, key=key: seen.update({key: y})))
    pose, rgb, valid = inputs["pose"], inputs["rgb"], inputs["mask"] == 0
    fused = module(pose, rgb, valid, masked=False)
    for hook in hooks:
        hook.remove()
    yield relative(f"{label}/fused", fused, outputs["fused"], recording.limit)
    yield from _inner(label, "mid_", seen, outputs, recording.limit)
    if recording.exact:
        return
    if "batch1_error" in recording.strings("cgaf"):
        alone = module(pose[:1], rgb[:1], valid[:1], masked=False)
        one = relative(f"{label}/batch of one", alone, outputs["fused"][:1], recording.limit)
        yield Comparison(one.name, one.error, one.limit, "the release raises here; ours gives the row of the batch")
    if "zero_clips_mask" in inputs:
        empty = inputs["zero_clips_mask"] == 0
        rows = module(pose[: len(empty)], rgb[: len(empty)], empty, masked=False).isnan().any(-1)
        with_windows = empty[:, 1:].any(1)
        yield same(f"{label}/zero_clips", rows[with_windows], inputs["zero_clips_fused_isnan"][with_windows])
        yield Note(f"{label}/zero_clips", f"no window: the release gives NaN, ours {_numbers_or_nan(rows)}")


def _numbers_or_nan(isnan: Tensor) -> str:
    return "NaN too" if isnan.any() else "numbers"


def _inner(label: str, prefix: str, seen: Seen, outputs: Seen, limit: float) -> Iterator[Result]:
    """Inner activations that were recorded under `prefix` and their name."""
    for key, expected in outputs.items():
        if not key.startswith(prefix):
            continue
        name = key.removeprefix(prefix)
        if name in seen:
            yield relative(f"{label}/{key}", seen[name], expected, limit)
        else:
            yield Note(f"{label}/{key}", "ours has no such inner activation")


def _numbers(keys: Seen, pattern: str) -> list[int]:
    return sorted(int(found[1]) for key in keys if (found := re.fullmatch(pattern, key)))
