"""The whole model: independence of padding, and what importing it may import."""

import dataclasses
import subprocess
import sys

import pytest
import torch
from batches import random_batch, widened_batch
from recorded import SMALL, SMALL32, SMALL64, without_dropout

from seds.config import Losses
from seds.model import MAX_LOGIT_SCALE, SEDS, TextTokens, initialise

DISTILLED = Losses(distill_pose=0.5, distill_rgb=0.5)


@pytest.fixture(scope="module")
def model():
    """Default numerics, the recorded weights: sampling offsets and statistics far from their start values."""
    model = SEDS(SMALL, "default")
    model.load_state_dict(SMALL32.model().state_dict())
    return model.eval()


FRAMES, WORDS = (16, 40, 9, 25, 79), (5, 12, 3, 9, 32)


@torch.no_grad()
def test_tokens_and_scores_do_not_depend_on_the_batch(model):
    whole = random_batch(FRAMES, WORDS)
    video, text = model.encode_video(whole), model.encode_text(whole.ids)
    scores = model.similarity(video, text)
    order = [3, 0, 4, 1, 2]
    others = {
        "padded": (random_batch(FRAMES, WORDS, extra=(30, 0, 0)), range(5)),
        "shuffled": (random_batch([FRAMES[i] for i in order], [WORDS[i] for i in order]), order),
        **{f"alone {i}": (random_batch(FRAMES[i : i + 1], WORDS[i : i + 1]), [i]) for i in range(5)},
        "short ones padded": (random_batch(FRAMES[:4], WORDS[:4], extra=(7, 11, 8)), range(4)),
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
    batch = random_batch(FRAMES, WORDS)
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
        batch = random_batch((16, 40, 9, 25), WORDS[:4], extra=extra)
        batch = widened_batch(batch)
        model.load_state_dict(state)
        losses.append(vars(model.train()(batch, DISTILLED)))
    torch.testing.assert_close(losses[0], losses[1])
    longer = random_batch((16, 40, 9, 25), WORDS[:4], extra=(20, 9, 6))
    longer = widened_batch(longer)
    model.load_state_dict(state)
    torch.testing.assert_close(vars(model(longer, DISTILLED)), losses[0])


def test_published_numerics_do_depend_on_it():
    published = SMALL32.model()
    with torch.no_grad():
        alone = published.encode_video(random_batch((20,), (5,)))
        padded = published.encode_video(random_batch((20,), (5,), extra=(8, 0, 0)))
    assert not torch.allclose(alone.pose, padded.pose, atol=1e-4)


def test_half_precision_keeps_losses_close(model):
    batch = random_batch(FRAMES, WORDS)
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
    model, batch = SEDS(SMALL).eval(), random_batch((20, 18), (5, 6))
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
    batch = random_batch((16, 20), (4, 6))
    wide = widened_batch(batch)
    with torch.no_grad():
        ours, exact = SMALL32.model().encode_video(batch), SMALL64.model().encode_video(wide)
    assert (ours.fusion - exact.fusion).abs().max() <= 1e-5 * exact.fusion.abs().max()
