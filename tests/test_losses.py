"""Every loss against the recordings, gradients included."""

import math

import pytest
import torch
from recorded import EVERY, assert_close
from torch.nn import functional as F

from seds.config import Losses
from seds.losses import contrastive, symmetric, total_loss
from seds.similarity import Tokens

VARIANTS = {
    "default": Losses(),
    "mix03_kl": Losses(dual_mix=0.3, distill_pose=0.5, distill_rgb=0.7),
    "kl_logit0.05": Losses(distill_pose=0.5, distill_rgb=0.5, distill_temperature=0.05),
    "nomatch": Losses(match_weight=0.0),
    "match1.0": Losses(match_weight=1.0),
}
PARTS = ("total", "fusion", "pose", "rgb", "distill_pose", "distill_rgb", "match")
HIDDEN = ("text_hidden", "text_hidden_aug", "pose_hidden", "rgb_hidden")


@EVERY
@pytest.mark.parametrize("variant", VARIANTS)
def test_recorded_losses_and_gradients(recording, variant):
    inputs, outputs = recording.read("sim")
    if f"loss/{variant}" not in outputs:
        pytest.skip("not recorded for these sizes")
    hidden = {name: inputs[name].clone().requires_grad_() for name in HIDDEN}
    hidden["logit_scale"] = inputs["logit_scale"].clone().requires_grad_()
    valid = inputs["video_mask"] == 0
    fused = recording.model().fusion(hidden["pose_hidden"], hidden["rgb_hidden"], valid, masked=False)
    streams = {"fusion": fused, "pose": hidden["pose_hidden"], "rgb": hidden["rgb_hidden"]}
    text, swapped = (
        Tokens(F.normalize(hidden[f"text_hidden{end}"], dim=-1), inputs[f"text_mask{end}"] > 0) for end in ("", "_aug")
    )
    parts = total_loss(
        {name: F.normalize(tokens, dim=-1) for name, tokens in streams.items()},
        valid,
        text,
        swapped,
        hidden["logit_scale"].exp(),
        VARIANTS[variant],
        masked=False,
    )
    computed = torch.stack([getattr(parts, part) for part in PARTS])
    loss_limit = 1e-5 if recording.dtype == torch.float32 else 1e-8
    torch.testing.assert_close(computed.double(), outputs[f"loss/{variant}"].double(), rtol=loss_limit, atol=1e-9)

    parts.total.backward()
    limit = 1e-5 if recording.dtype == torch.float32 else 1e-7
    checked = 0
    for name, tensor in hidden.items():
        key = f"loss/{variant}/dloss_d_{name}"
        if key in outputs:
            assert_close(tensor.grad, outputs[key], limit)
            checked += 1
        if f"loss/{variant}/norm_dloss_d_{name}" in outputs:
            norm = outputs[f"loss/{variant}/norm_dloss_d_{name}"]
            torch.testing.assert_close(tensor.grad.norm().double(), norm.double(), rtol=10 * limit, atol=0)
            checked += 1
    assert checked or f"loss/{variant}/dloss_d_pose_hidden" not in inputs


def test_contrastive_spelled_out():
    logits = torch.tensor([[2.0, 1.0], [0.0, 3.0]])
    expected = (math.log(1 + math.exp(-1)) + math.log(1 + math.exp(-3))) / 2
    assert contrastive(logits).item() == pytest.approx(expected)


def test_an_even_mix_does_not_care_for_direction():
    first, second = torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(symmetric(first, second, 0.5), symmetric(first.T, second.T, 0.5))
    mixed = symmetric(first, second, 0.3)
    torch.testing.assert_close(mixed, symmetric(second.T, first.T, 0.3))


def _tokens(lengths, length, seed):
    generator = torch.Generator().manual_seed(seed)
    values = F.normalize(torch.randn(len(lengths), length, 8, generator=generator, dtype=torch.float64), dim=-1)
    return Tokens(values, torch.arange(length) < torch.tensor(lengths)[:, None])


def test_no_loss_depends_on_padding_when_masked():
    videos, text = [_tokens([6, 4, 2], 6, seed) for seed in range(3)], _tokens([5, 2, 1], 5, 7)
    swapped = _tokens([5, 2, 1], 5, 8)
    losses = Losses(distill_pose=0.5, distill_rgb=0.5)

    def loss(more):
        def padded(tokens, seed):
            noise = torch.randn(3, more, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
            values = torch.cat([tokens.values, F.normalize(noise, dim=-1)], 1)
            return Tokens(values, F.pad(tokens.valid, (0, more)))

        streams = dict(zip(("fusion", "pose", "rgb"), (padded(v, i) for i, v in enumerate(videos)), strict=True))
        return total_loss(
            {name: tokens.values for name, tokens in streams.items()},
            streams["pose"].valid,
            padded(text, 4),
            padded(swapped, 5),
            torch.tensor(10.0, dtype=torch.float64),
            losses,
            masked=True,
        )

    torch.testing.assert_close(vars(loss(3)), vars(loss(0)))
