"""Similarities against their definition spelled out; test_verify compares them with the recordings."""

import torch
from torch.nn import functional as F

from seds.model.similarity import TEMPERATURE, Tokens, matching, text_to_video, video_to_text


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
    to_rgb, to_pose = matching(pose, rgb, masked=True)
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
