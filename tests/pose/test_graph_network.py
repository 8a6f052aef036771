"""The graph networks against the recorded outputs and inner activations."""

import pytest
import torch
from recorded import EVERY, assert_close

from seds.pose.temporal import Packing


@EVERY
@pytest.mark.parametrize("part", ["hand", "body"])
@pytest.mark.parametrize("case", [0, 1, 2])
def test_recorded_outputs(recording, part, case):
    inputs, outputs = recording.read("gcn")
    joints = inputs[f"{part}_in_{case}"]
    batch, frames = joints.shape[:2]
    network = getattr(recording.model().pose_encoder, part)
    features = network(joints.flatten(0, 1), Packing(torch.full((batch,), frames)))
    assert_close(features, outputs[f"{part}_out_{case}"].flatten(0, 1), recording.limit)


@EVERY
@pytest.mark.parametrize("part", ["hand", "body"])
def test_recorded_activations(recording, part):
    recorded, _ = recording.read("gcn")
    if f"{part}_mid_0_data_bn" not in recorded:
        pytest.skip("recorded for the small sizes alone")
    network = getattr(recording.model().pose_encoder, part)
    seen = {}

    def keep(name, turn):
        return lambda _module, _inputs, output: seen.update({name: turn(output)})

    network.data_norm.register_forward_hook(keep("data_bn", lambda y: y))
    channels = lambda y: y.permute(1, 2, 0)  # noqa: E731  [J, N, C] -> [N, C, J]
    network.units[0].register_forward_hook(keep("st_gcn0", channels))
    network.units[2].register_forward_hook(keep("st_gcn2", channels))
    network.pooled_units[1].register_forward_hook(keep("pool1", channels))
    network.temporal[0].register_forward_pre_hook(lambda _module, inputs: seen.update(conv4=inputs[0]))
    joints = recorded[f"{part}_in_0"]
    batch, frames = joints.shape[:2]
    network.temporal[0].register_forward_hook(keep("tcn1", lambda y: y.view(batch, frames, -1).transpose(1, 2)))
    network(joints.flatten(0, 1), Packing(torch.full((batch,), frames)))
    # Recorded in float32 alone.
    for name, value in seen.items():
        assert_close(value, recorded[f"{part}_mid_0_{name}"], 1e-5)
    assert len(seen) == 6
