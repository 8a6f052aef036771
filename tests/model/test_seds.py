"""The whole model: independence of padding, and what importing it may import."""

import dataclasses
import subprocess
import sys

import pytest
import torch
from helpers.batches import random_batch, widened_batch
from helpers.recorded import SMALL, SMALL32, SMALL64, without_dropout
from torch.nn import functional as F

from seds.config import ConfigError, Losses
from seds.model.initialisation import initialise
from seds.model.seds import EQUAL, MAX_LOGIT_SCALE, SEDS
from seds.verify.scores import similarity

DISTILLED = Losses(distill_pose=0.5, distill_rgb=0.5)


@pytest.fixture(scope="module")
def model():
    """Default numerics, in float64; the recorded weights: sampling offsets and statistics far from their start."""
    model = SEDS(SMALL, "default").double()
    model.load_state_dict(SMALL64.model().state_dict())
    return model.eval()


def float64_batch(*arguments, **options):
    return widened_batch(random_batch(*arguments, **options))


FRAMES, WORDS = (16, 40, 9, 25, 79), (5, 12, 3, 9, 32)


@torch.no_grad()
def test_tokens_and_scores_do_not_depend_on_the_batch(model):
    whole = float64_batch(FRAMES, WORDS)
    video, text = model.encode_video(whole), model.encode_text(whole.ids)
    scores = similarity(model, video, text)
    order = [3, 0, 4, 1, 2]
    others = {
        "padded": (float64_batch(FRAMES, WORDS, extra=(30, 0, 0)), range(5)),
        "shuffled": (float64_batch([FRAMES[i] for i in order], [WORDS[i] for i in order]), order),
        **{f"alone {i}": (float64_batch(FRAMES[i : i + 1], WORDS[i : i + 1]), [i]) for i in range(5)},
        "short ones padded": (float64_batch(FRAMES[:4], WORDS[:4], extra=(7, 11, 8)), range(4)),
    }
    for name, (batch, index) in others.items():
        some, words = model.encode_video(batch), model.encode_text(batch.ids)
        for row, i in enumerate(index):
            for stream in ("pose", "rgb", "fusion"):
                ours, theirs = some.streams[stream][row, some.valid[row]], video.streams[stream][i, video.valid[i]]
                assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max(), (name, i, stream)
            ours, theirs = words.tokens[row, words.valid[row]], text.tokens[i, text.valid[i]]
            assert (ours - theirs).abs().max() <= 1e-12 * theirs.abs().max(), (name, i)
        for stream, matrix in similarity(model, some, words).items():
            expected = scores[stream][list(index)][:, list(index)]
            torch.testing.assert_close(matrix, expected, atol=1e-11, rtol=1e-11, msg=lambda m, n=name: f"{n}: {m}")


@torch.no_grad()
def test_scores_may_be_computed_in_blocks(model):
    batch = float64_batch(FRAMES, WORDS)
    video, text = model.encode_video(batch), model.encode_text(batch.ids)
    whole = similarity(model, video, text)
    slices = (slice(0, 2), slice(2, 5))
    for rows in slices:
        for columns in slices:
            some_video = video.map(lambda tensor, rows=rows: tensor[rows])
            some_text = text.map(lambda tensor, columns=columns: tensor[columns])
            for stream, block in similarity(model, some_video, some_text).items():
                torch.testing.assert_close(block, whole[stream][rows, columns], atol=1e-11, rtol=1e-11)


def test_the_training_loss_does_not_depend_on_padding():
    model = without_dropout(SEDS(SMALL, "default")).double()
    initialise(model, torch.Generator().manual_seed(0))
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    losses = []
    for extra in ((0, 0, 0), (20, 0, 0)):
        batch = random_batch((16, 40, 9, 25), WORDS[:4], extra=extra)
        batch = widened_batch(batch)
        model.load_state_dict(state)
        losses.append(model.train()(batch, DISTILLED))
    torch.testing.assert_close(losses[0], losses[1])
    longer = random_batch((16, 40, 9, 25), WORDS[:4], extra=(20, 9, 6))
    longer = widened_batch(longer)
    model.load_state_dict(state)
    torch.testing.assert_close(model(longer, DISTILLED), losses[0])


def test_published_numerics_do_depend_on_it():
    published = SMALL32.model()
    with torch.no_grad():
        alone = published.encode_video(random_batch((20,), (5,)))
        padded = published.encode_video(random_batch((20,), (5,), extra=(8, 0, 0)))
    assert not torch.allclose(alone.streams["pose"], padded.streams["pose"], atol=1e-4)


def test_half_precision_keeps_losses_close():
    """Within three times what it makes of the recorded weights; tests/training/test_precision.py has the gradients."""
    model, batch = SEDS(SMALL, "default").eval(), random_batch(FRAMES, WORDS)
    model.load_state_dict(SMALL32.model().state_dict())
    with torch.no_grad():
        exact = model(batch, DISTILLED)
        with torch.autocast("cpu", torch.bfloat16):
            half = model(batch, DISTILLED)
    assert {part.dtype for part in half.values()} == {torch.float32}
    for part in ("fusion", "pose", "rgb"):
        assert half[part].item() == pytest.approx(exact[part].item(), rel=0.01), part


def test_logit_scale_is_clamped():
    model = SEDS(SMALL)
    with torch.no_grad():
        model.logit_scale.fill_(9.0)
    model.clamp_logit_scale()
    assert model.logit_scale.item() == pytest.approx(MAX_LOGIT_SCALE)


def test_rgb_is_standardised_as_told():
    model, batch = SEDS(SMALL).eval(), random_batch((20, 18), (5, 6))
    initialise(model, torch.Generator().manual_seed(1))
    with torch.no_grad():
        plain = model.encode_video(batch).streams["rgb"]
        model.rgb_mean.fill_(3.0)
        model.rgb_std.fill_(2.0)
        shifted = dataclasses.replace(batch, rgb=2 * batch.rgb + 3)
        torch.testing.assert_close(model.encode_video(shifted).streams["rgb"], plain, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_equal_weights_are_the_published_fusion(model):
    video = model.encode_video(float64_batch(FRAMES, WORDS))
    assert model.pose_weight == EQUAL
    assert video.streams["fusion"].equal(model.fusion(video.streams["pose"], video.streams["rgb"], video.valid, True))


@torch.no_grad()
def test_weight_of_each_end_leaves_one_stream(model):
    batch = float64_batch(FRAMES, WORDS)
    other_rgb = dataclasses.replace(batch, rgb=batch.rgb.flip(1))
    other_pose = dataclasses.replace(batch, left=batch.left * 0.9, right=batch.right.flip(1), body=batch.body * 0.8)
    for weight in (0.0, 0.5, 1.0):
        plain, without_rgb, without_pose = (
            model.encode_video(each, pose_weight=weight).streams["fusion"] for each in (batch, other_rgb, other_pose)
        )
        assert without_rgb.equal(plain) == (weight == 1)
        assert without_pose.equal(plain) == (weight == 0)


def test_own_weight_is_for_use_not_for_training(model):
    other, batch = _variant(model), float64_batch(FRAMES, WORDS)
    other.pose_weight.fill_(0.8)
    with torch.no_grad():
        fused, plain = (each.encode_video(batch).streams["fusion"] for each in (other, model))
        assert fused.equal(model.encode_video(batch, pose_weight=0.8).streams["fusion"])
        assert not torch.allclose(fused, plain)
    assert other(batch, Losses())["total"].equal(model(batch, Losses())["total"])


@pytest.mark.slow
def test_importing_the_model_imports_no_pipeline():
    code = (
        "import sys, seds.model.seds; "
        "heavy = {'av', 'mmcv', 'mmengine', 'mmpose', 'mmaction', 'pandas', 'dvc', 'open_clip'}; "
        "print(sorted(heavy & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_float64_model_is_the_same_model():
    batch = random_batch((16, 20), (4, 6))
    wide = widened_batch(batch)
    with torch.no_grad():
        ours, exact = SMALL32.model().encode_video(batch), SMALL64.model().encode_video(wide)
    ours, exact = ours.streams["fusion"], exact.streams["fusion"]
    assert (ours - exact).abs().max() <= 1e-5 * exact.abs().max()


def _variant(model, **changes):
    """A model of other parts, with the same weights in those it shares."""
    other = SEDS(model.sizes.model_copy(update=changes), "default").double()
    initialise(other, torch.Generator().manual_seed(0))
    state = model.state_dict()
    other.load_state_dict({name: state.get(name, tensor) for name, tensor in other.state_dict().items()})
    return other.eval()


@pytest.mark.parametrize(
    ("stream", "absent"), [("pose", ("rgb_", "fusion.", "pose_weight")), ("rgb", ("pose_", "fusion."))]
)
def test_a_stream_alone_is_that_of_both_without_the_others_parts(model, stream, absent):
    alone, batch = _variant(model, streams=stream), float64_batch(FRAMES, WORDS)
    assert alone.streams == (stream,)
    assert set(alone.state_dict()) == {name for name in model.state_dict() if not name.startswith(absent)}
    parts = alone(batch, Losses())
    assert set(parts) == {"total", stream}  # no matching
    assert parts["total"].item() == pytest.approx(model(batch, Losses())[stream].item(), rel=1e-12)
    parts["total"].backward()
    assert [name for name, p in alone.named_parameters() if p.grad is None] == []
    with torch.no_grad():
        video, text = alone.encode_video(batch), alone.encode_text(batch.ids)
        assert list(video.streams) == [stream]
        scores, expected = similarity(alone, video, text), similarity(model, model.encode_video(batch), text)
        assert list(scores) == [stream]
        torch.testing.assert_close(scores[stream], expected[stream], atol=1e-11, rtol=1e-11)


def test_a_stream_alone_cannot_be_taught_by_the_other(model):
    for streams, losses in (("pose", Losses(distill_pose=0.5)), ("rgb", Losses(distill_rgb=0.5))):
        with pytest.raises(
            ConfigError, match=f"distill_{streams} is 0.5, but the model has the stream {streams} alone"
        ):
            _variant(model, streams=streams)(float64_batch((20, 18), (5, 6)), losses)


def test_fusion_by_a_perceptron_takes_each_position_by_itself(model):
    plain, batch = _variant(model, fusion="mlp"), float64_batch(FRAMES, WORDS)
    assert not any("layers" in name or "pose_norm" in name for name, _ in plain.fusion.named_parameters())
    with torch.no_grad():
        streams = plain.encode_video(batch).streams
        pose, rgb = streams["pose"][2, 1], streams["rgb"][2, 1]
        fusion = plain.fusion
        inner = torch.cat([pose, rgb]) @ fusion.mix_1.weight.T + fusion.mix_1.bias
        for layer in (fusion.mix_2, fusion.mix_3):
            inner = (inner * torch.sigmoid(1.702 * inner)) @ layer.weight.T + layer.bias
        expected = F.layer_norm(inner + pose + rgb, pose.shape, fusion.mix_norm.weight, fusion.mix_norm.bias, 1e-12)
        torch.testing.assert_close(streams["fusion"][2, 1], expected, atol=1e-12, rtol=1e-12)
    plain(batch, Losses())["total"].backward()
    assert [name for name, p in plain.named_parameters() if p.grad is None] == []
