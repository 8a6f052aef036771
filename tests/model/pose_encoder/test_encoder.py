"""What padding may and may not do to window tokens; test_verify compares these with the recordings."""

import pytest
import torch
from helpers.plain_windows import plain_window_means
from helpers.recorded import SMALL

from seds.model.pose_encoder.encoder import PoseEncoder


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return PoseEncoder(SMALL).double().eval()


def _joints(frames, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return [256 * torch.rand(1, frames, n, 2, generator=generator, dtype=torch.float64) for n in (21, 21, 7)]


def test_short_video_repeats_its_last_frame(encoder):
    short = _joints(9)
    repeated = [torch.cat([part, part[:, -1:].expand(-1, 7, -1, -1)], 1) for part in short]
    starts = torch.tensor([[0]])
    expected = encoder(*repeated, torch.tensor([16]), starts, padded=False)
    torch.testing.assert_close(encoder(*short, torch.tensor([9]), starts, padded=False), expected)
    torch.testing.assert_close(encoder(*short, torch.tensor([9]), starts, padded=True), expected)
    padded = [torch.cat([part, torch.zeros_like(part)], 1) for part in short]
    torch.testing.assert_close(encoder(*padded, torch.tensor([9]), starts, padded=False), expected)


def test_padding_frames_leak_in_the_published_numerics_alone(encoder):
    video = _joints(20)
    longer = [torch.cat([part, torch.zeros_like(part[:, :6])], 1) for part in video]
    frames, starts = torch.tensor([20]), torch.arange(5)[None]
    for padded in (False, True):
        alone = encoder(*video, frames, starts, padded=padded)
        batched = encoder(*longer, frames, starts, padded=padded)
        torch.testing.assert_close(alone[:, 0], batched[:, 0])  # too early to see the end
        assert torch.allclose(alone, batched) is not padded


def test_unused_windows_are_zero_or_convolved_zeros(encoder):
    video, frames = _joints(17), torch.tensor([17])
    starts = torch.tensor([[0, 1, -1, -1]])
    assert not encoder(*video, frames, starts, padded=False)[:, 2:].any()
    published = encoder(*video, frames, starts, padded=True)[0]
    zeros = plain_window_means(encoder.window_block, torch.zeros(1, 3 * SMALL.gcn_out, 16, dtype=torch.float64))[0]
    torch.testing.assert_close(published[2], zeros)
    torch.testing.assert_close(published[3], zeros)


def test_training_statistics_ignore_padding(encoder):
    left, right, body = (torch.cat([a, b]) for a, b in zip(_joints(24), _joints(24, seed=2), strict=True))
    starts = torch.tensor([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]])
    frames = torch.tensor([20, 20])
    encoder.train()
    for module in encoder.modules():
        for name in ("dropout", "out_dropout"):
            if hasattr(module, name):
                setattr(module, name, 0.0)
    trimmed = encoder(left[:, :20], right[:, :20], body[:, :20], frames, starts, padded=False)
    more = torch.nn.functional.pad(starts, (0, 3), value=-1)
    padded = encoder(left, right, body, frames, more, padded=False)  # four more frames, three more windows
    torch.testing.assert_close(padded[:, :5], trimmed)
