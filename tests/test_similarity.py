"""Similarities against the recordings and against their definition spelled out."""

import pytest
import torch
from recorded import EVERY, assert_close
from torch.nn import functional as F

from seds.model import TextTokens, VideoTokens
from seds.similarity import TEMPERATURE, Tokens, matching, text_to_video, video_to_text

STREAMS = ("fusion", "pose", "rgb")


def _videos(model, inputs, prefix=""):
    pose, rgb, valid = inputs[f"{prefix}pose_hidden"], inputs[f"{prefix}rgb_hidden"], inputs[f"{prefix}video_mask"] == 0
    return VideoTokens(pose, rgb, model.fusion(pose, rgb, valid, masked=False), valid)


def _normal(tokens, valid):
    return Tokens(F.normalize(tokens, dim=-1), valid)


@EVERY
@pytest.mark.parametrize("case", ["train", "eval", "rect"])
def test_recorded_similarities(recording, case):
    inputs, outputs = recording.read("sim")
    model, scale = recording.model(), inputs["logit_scale"].exp()
    prefix = "rect/" if case == "rect" else ""
    videos = _videos(model, inputs, prefix)
    text = _normal(inputs[f"{prefix}text_hidden"], inputs[f"{prefix}text_mask"] > 0)
    other = _normal(inputs["text_hidden_aug"], inputs["text_mask_aug"] > 0) if case == "train" else text
    for stream in STREAMS:
        video = _normal(getattr(videos, stream), videos.valid)
        assert_close(scale * video_to_text(video, text, False), outputs[f"{case}/I2T_{stream}"], recording.limit)
        assert_close(scale * text_to_video(video, other, False), outputs[f"{case}/T2I_{stream}"], recording.limit)


@EVERY
def test_recorded_matching(recording):
    inputs, outputs = recording.read("sim")
    pose, rgb = (F.normalize(inputs[f"{stream}_hidden"], dim=-1) for stream in ("pose", "rgb"))
    to_rgb, to_pose = matching(pose, rgb, inputs["video_mask"] == 0, masked=False)
    scale = inputs["logit_scale"].exp()
    assert_close(scale * to_rgb, outputs["train/P2R"], recording.limit)
    assert_close(scale * to_pose, outputs["train/R2P"], recording.limit)


@EVERY
@pytest.mark.parametrize("mix", [0.5, 0.3])
def test_recorded_evaluation(recording, mix):
    inputs, _ = recording.read("sim")  # its evaluation was recorded in float32 alone
    if f"rect/evalloop_mix{mix}/i2t_pose" not in inputs:
        pytest.skip("not recorded for these sizes")
    model = recording.model()
    with torch.no_grad():
        model.logit_scale.copy_(inputs["logit_scale"])
    text = TextTokens(inputs["rect/text_hidden"], inputs["rect/text_mask"] > 0)
    scores = model.similarity(_videos(model, inputs, "rect/"), text, mix)
    for stream in STREAMS:
        assert_close(scores[stream], inputs[f"rect/evalloop_mix{mix}/i2t_{stream}"], 1e-5)


def _random(count, length, lengths, seed):
    generator = torch.Generator().manual_seed(seed)
    values = F.normalize(torch.randn(count, length, 8, generator=generator, dtype=torch.float64), dim=-1)
    return Tokens(values, torch.arange(length) < torch.tensor(lengths)[:, None])


def test_similarity_spelled_out():
    video, text = _random(2, 5, [5, 3], 0), _random(3, 4, [4, 2, 1], 1)
    i2t = video_to_text(video, text, masked=True)
    t2i = text_to_video(video, text, masked=True)
    for a in range(2):
        for b in range(3):
            s = video.values[a, video.valid[a]] @ text.values[b, text.valid[b]].T  # the real tokens alone
            torch.testing.assert_close(i2t[a, b], (s * (s / TEMPERATURE).softmax(1)).sum(1).mean())
            torch.testing.assert_close(t2i[a, b], (s * (s / TEMPERATURE).softmax(0)).sum(0).mean())


def test_matching_spelled_out():
    pose, rgb = _random(3, 5, [5, 3, 1], 2), _random(3, 5, [5, 3, 1], 3)
    to_rgb, to_pose = matching(pose.values, rgb.values, pose.valid, masked=True)
    for a in range(3):
        for b in range(3):
            g = pose.values[a, pose.valid[a]] @ rgb.values[b, rgb.valid[b]].T
            found = (g * (g / TEMPERATURE).softmax(1)).diagonal().sum()  # the positions that both have
            torch.testing.assert_close(to_rgb[a, b], found)
            torch.testing.assert_close(to_pose[a, b], (g * (g / TEMPERATURE).softmax(0)).diagonal().sum())


def test_published_softmaxes_see_padding_the_default_ones_do_not():
    video, text = _random(2, 5, [5, 3], 0), _random(3, 4, [4, 2, 1], 1)
    noise = Tokens(torch.where(text.valid[..., None], text.values, text.values.roll(1, 1)), text.valid)
    torch.testing.assert_close(video_to_text(video, noise, True), video_to_text(video, text, True))
    assert not torch.allclose(video_to_text(video, noise, False), video_to_text(video, text, False))
