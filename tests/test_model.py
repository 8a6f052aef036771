"""The whole model: recorded steps, independence of padding, and what importing it may import."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
import torch
from recorded import EVERY, FULL32, SMALL, SMALL32, SMALL64, assert_close, names, shake, without_dropout
from torch.nn import functional as F

from seds.config import Losses
from seds.model import MAX_LOGIT_SCALE, SEDS, Batch, TextTokens, initialise
from seds.release import OURS_ALONE, published_name

PARTS = ("total", "fusion", "pose", "rgb", "distill_pose", "distill_rgb", "match")
DISTILLED = Losses(distill_pose=0.5, distill_rgb=0.5)
NOISE = 1e-8  # a bias in front of batch statistics has no gradient; what is recorded of it is rounding


def _recorded_batch(inputs):
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


@EVERY
def test_recorded_tokens(recording):
    inputs, outputs = recording.read("step")
    model, batch = recording.model(), _recorded_batch(inputs)
    with torch.no_grad():
        video, text, swapped = (
            model.encode_video(batch),
            model.encode_text(batch.ids),
            model.encode_text(batch.ids_swapped),
        )
    found = {
        "pose_hidden": video.pose,
        "rgb_hidden": video.rgb,
        "fused": video.fusion,
        "text_hidden": text.tokens,
        "text_hidden_aug": swapped.tokens,
    }
    checked = [name for name in found if f"evalbn/{name}" in outputs]
    for name in checked:
        assert_close(found[name], outputs[f"evalbn/{name}"], recording.limit)
    assert "pose_hidden" in checked or recording is FULL32
    assert torch.equal(video.valid, inputs["in_mask"] == 0)


@EVERY
@pytest.mark.parametrize(("mode", "losses"), [("evalbn", Losses()), ("evalbn_kl", DISTILLED), ("trainbn", Losses())])
def test_recorded_step(recording, mode, losses):
    """Losses, every parameter's gradient (norm and projection, some in full) and the running statistics."""
    inputs, outputs = recording.read("step")
    if f"{mode}/grad_norms" not in outputs:
        pytest.skip("not recorded in this precision")
    training = mode == "trainbn"
    model = recording.model()
    if training:
        without_dropout(model.train())
    parts = model(_recorded_batch(inputs), losses)
    computed = torch.stack([getattr(parts, part) for part in PARTS]).detach().double()
    exact = recording.dtype == torch.float64
    torch.testing.assert_close(computed, inputs[f"{mode}/loss_parts"].double(), rtol=1e-5, atol=1e-7)

    parts.total.backward()
    gradients = {published_name(name): p.grad for name, p in model.named_parameters()}
    named = names(recording.prefix, "step", f"{mode}/grad_names")
    assert set(named) == set(gradients)
    # In training a few activations lie so close to a ReLU's or a maximum's kink that float32 rounding decides their
    # side, and one flip moves a gradient by some per cent; in float64 all agree. The original's float32 is 1e-2 off.
    norm_limit = 1e-6 if exact else 1e-2 if training else 1e-3
    projection_limit = 1e-6 if exact else 5e-2 if training else 1e-2 if recording.prefix == "full" else 2e-3
    recorded_norms = outputs[f"{mode}/grad_norms"].double()
    projections = outputs.get(f"{mode}/grad_projs", inputs[f"{mode}/grad_projs"]).double()
    floor = NOISE if exact else 1e-4
    for name, norm, projection in zip(named, recorded_norms, projections, strict=True):
        gradient = gradients[name].double()
        if norm < floor:
            assert gradient.norm() < 10 * floor, name
            continue
        assert abs(gradient.norm() - norm) <= norm_limit * norm, name
        if not exact or f"{mode}/grad_projs" in outputs:
            along = torch.from_numpy(shake(f"gradproj:{name}", gradient.numel()).astype("float64") / 128)
            assert abs(gradient.flatten() @ along - projection) <= projection_limit * norm, name
    for key in [key for key in outputs if key.startswith(f"{mode}/grad/")]:
        limit = 1e-6 if exact else 5e-2 if training else 1e-3
        assert_close(gradients[key.removeprefix(f"{mode}/grad/")], outputs[key], limit)

    if training:
        state = {published_name(n): t for n, t in model.state_dict().items() if n not in OURS_ALONE}
        after = {key.removeprefix("trainbn/after/"): t for key, t in inputs.items() if key.startswith("trainbn/after/")}
        assert after
        for key, expected in after.items():
            torch.testing.assert_close(state[key], expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


@pytest.mark.real
def test_recorded_end_to_end(shared):
    """A batch that the published loader made of real sizes, through the full network to its similarity matrices."""
    made = np.load(shared / "golden" / "collate_ph.npz")
    expected = np.load(shared / "golden" / "e2e_ph_full.npz")
    left, ids = torch.from_numpy(made["batch/left_pose"]), torch.from_numpy(made["batch/pairs_text"])[:, 0]
    batch = Batch(
        left=left,
        right=torch.from_numpy(made["batch/right_pose"]),
        body=torch.from_numpy(made["batch/body_pose"]),
        frames=torch.full((len(left),), left.shape[1]),  # the loader has repeated short videos' last frames already
        window_starts=torch.from_numpy(made["batch/body_clips_start"]),
        rgb=torch.from_numpy(made["batch/RGB_feature"])[..., 0].transpose(1, 2),
        ids=ids,
        ids_swapped=ids,
    )
    model = FULL32.model()
    with torch.no_grad():
        video, text = model.encode_video(batch), model.encode_text(ids)
        scores = model.similarity(video, text)
    for name, tokens in (("pose_hidden", video.pose), ("rgb_hidden", video.rgb), ("fused", video.fusion)):
        assert_close(tokens[:, :4], torch.from_numpy(expected[f"{name}_first4"]), 1e-5)
        assert_close(tokens.norm(dim=-1), torch.from_numpy(expected[f"{name}_norms"]), 1e-5)
    assert_close(text.tokens.norm(dim=-1), torch.from_numpy(expected["text_hidden_norms"]), 1e-5)
    for stream, matrix in scores.items():
        mean = 0.5 * (expected[f"I2T_{stream}"] + expected[f"T2I_{stream}"])
        assert_close(matrix, torch.from_numpy(mean), 1e-5)


def _random_batch(frames, words, seed=0, sizes=SMALL, extra=(0, 0, 0)):
    """Videos of these many frames with texts of these many tokens, padded by `extra` frames, windows and tokens."""
    videos, longest = [], max(frames) + extra[0]
    windows, length = max(max(1, f - 15) for f in frames) + extra[1], max(words) + extra[2]
    for f, w in zip(frames, words, strict=True):
        generator = torch.Generator().manual_seed(seed + 1000 * f + w)
        n = max(1, f - 15)
        pad = (0, 0, 0, 0, 0, longest - f)
        joints = [F.pad(256 * torch.rand(f, j, 2, generator=generator), pad) for j in (21, 21, 7)]
        starts = F.pad(torch.arange(n), (0, windows - n), value=-1)
        rgb = F.pad(torch.randn(n, sizes.rgb_features, generator=generator), (0, 0, 0, windows - n))
        ids = torch.randint(1, sizes.vocabulary - 2, (2, w), generator=generator)
        ids[:, 0], ids[:, -1] = sizes.vocabulary - 2, sizes.vocabulary - 1
        videos.append((*joints, torch.tensor(f), starts, rgb, *F.pad(ids, (0, length - w))))
    return Batch(*(torch.stack(tensors) for tensors in zip(*videos, strict=True)))


@pytest.fixture(scope="module")
def model():
    """Default numerics, the recorded weights: sampling offsets and statistics far from their start values."""
    model = SEDS(SMALL, "default")
    model.load_state_dict(SMALL32.model().state_dict())
    return model.eval()


FRAMES, WORDS = (16, 40, 9, 25, 79), (5, 12, 3, 9, 32)


@torch.no_grad()
def test_tokens_and_scores_do_not_depend_on_the_batch(model):
    whole = _random_batch(FRAMES, WORDS)
    video, text = model.encode_video(whole), model.encode_text(whole.ids)
    scores = model.similarity(video, text)
    order = [3, 0, 4, 1, 2]
    others = {
        "padded": (_random_batch(FRAMES, WORDS, extra=(30, 0, 0)), range(5)),
        "shuffled": (_random_batch([FRAMES[i] for i in order], [WORDS[i] for i in order]), order),
        **{f"alone {i}": (_random_batch(FRAMES[i : i + 1], WORDS[i : i + 1]), [i]) for i in range(5)},
        "short ones padded": (_random_batch(FRAMES[:4], WORDS[:4], extra=(7, 11, 8)), range(4)),
    }
    for name, (batch, index) in others.items():
        some, words = model.encode_video(batch), model.encode_text(batch.ids)
        for row, i in enumerate(index):
            for stream in ("pose", "rgb", "fusion"):
                ours, theirs = getattr(some, stream)[row, some.valid[row]], getattr(video, stream)[i, video.valid[i]]
                assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max(), (name, i, stream)
            ours, theirs = words.tokens[row, words.valid[row]], text.tokens[i, text.valid[i]]
            assert (ours - theirs).abs().max() <= 1e-5 * theirs.abs().max(), (name, i)
        for stream, matrix in model.similarity(some, words).items():
            expected = scores[stream][list(index)][:, list(index)]
            torch.testing.assert_close(matrix, expected, atol=2e-5, rtol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


@torch.no_grad()
def test_scores_may_be_computed_in_blocks(model):
    batch = _random_batch(FRAMES, WORDS)
    video, text = model.encode_video(batch), model.encode_text(batch.ids)
    whole = model.similarity(video, text)
    slices = (slice(0, 2), slice(2, 5))
    for rows in slices:
        for columns in slices:
            some_video = dataclasses.replace(video, **{k: v[rows] for k, v in vars(video).items()})
            some_text = TextTokens(text.tokens[columns], text.valid[columns])
            for stream, block in model.similarity(some_video, some_text).items():
                torch.testing.assert_close(block, whole[stream][rows, columns])


def test_the_training_loss_does_not_depend_on_padding():
    model = without_dropout(SEDS(SMALL, "default")).double()
    initialise(model, torch.Generator().manual_seed(0))
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = []
    for extra in ((0, 0, 0), (20, 0, 0)):
        batch = _random_batch((16, 40, 9, 25), WORDS[:4], extra=extra)
        batch = Batch(*(t.double() if t.is_floating_point() else t for t in vars(batch).values()))
        model.load_state_dict(state)
        losses.append(vars(model.train()(batch, DISTILLED)))
    torch.testing.assert_close(losses[0], losses[1])
    longer = _random_batch((16, 40, 9, 25), WORDS[:4], extra=(20, 9, 6))
    longer = Batch(*(t.double() if t.is_floating_point() else t for t in vars(longer).values()))
    model.load_state_dict(state)
    torch.testing.assert_close(vars(model(longer, DISTILLED)), losses[0])


def test_published_numerics_do_depend_on_it():
    published = SMALL32.model()
    with torch.no_grad():
        alone = published.encode_video(_random_batch((20,), (5,)))
        padded = published.encode_video(_random_batch((20,), (5,), extra=(8, 0, 0)))
    assert not torch.allclose(alone.pose, padded.pose, atol=1e-4)


def test_half_precision_keeps_losses_close(model):
    batch = _random_batch(FRAMES, WORDS)
    exact = model(batch, DISTILLED)
    with torch.autocast("cpu", torch.bfloat16):
        half = model(batch, DISTILLED)
        model.train()(batch, Losses()).total.backward()
    model.eval().zero_grad()
    assert half.total.dtype == torch.float32
    for part in ("fusion", "pose", "rgb"):
        assert getattr(half, part).item() == pytest.approx(getattr(exact, part).item(), rel=0.1), part


def test_logit_scale_is_clamped():
    model = SEDS(SMALL)
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    model.clamp_logit_scale()
    assert model.logit_scale.item() == pytest.approx(MAX_LOGIT_SCALE)


def test_rgb_is_standardised_as_told():
    model, batch = SEDS(SMALL).eval(), _random_batch((20, 18), (5, 6))
    initialise(model, torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = model.encode_video(batch).rgb
        model.rgb_mean.fill_(3.0)
        model.rgb_std.fill_(2.0)
        shifted = dataclasses.replace(batch, rgb=2 * batch.rgb + 3)
        torch.testing.assert_close(model.encode_video(shifted).rgb, plain, atol=1e-5, rtol=1e-5)


def test_importing_the_model_imports_no_pipeline():
    code = (
        "import sys, seds.model; "
        "heavy = {'av', 'mmcv', 'mmengine', 'mmpose', 'mmaction', 'pandas', 'dvc', 'open_clip'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_float64_model_is_the_same_model():
    batch = _random_batch((16, 20), (4, 6))
    wide = Batch(*(t.double() if t.is_floating_point() else t for t in vars(batch).values()))
    with torch.no_grad():
        ours, exact = SMALL32.model().encode_video(batch), SMALL64.model().encode_video(wide)
    assert_close(ours.fusion.double(), exact.fusion, 1e-5)
