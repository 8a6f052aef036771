"""Layers shared between windows, against the network on each window by itself."""

import pytest
import torch

from seds.rgb.i3d import InceptionI3D
from seds.rgb.shared_stem import SharedStem
from seds.rgb.weights import initialise

WIDTH = 0.125


@pytest.fixture(scope="module")
def network():
    network = InceptionI3D(WIDTH).eval()
    initialise(network, 0)
    generator = torch.Generator().manual_seed(1)
    for unit in network.units():  # so that what a window's padding adds isn't zero after normalisation
        unit.bn.running_mean.normal_(generator=generator)
        unit.bn.weight.data.uniform_(0.5, 1.5, generator=generator)
        unit.bn.bias.data.normal_(generator=generator)
    return network.to(memory_format=torch.channels_last_3d)


def clip(frames, height=24, width=20):
    return list(torch.rand(frames, 3, height, width, generator=torch.Generator().manual_seed(0)) - 0.5)


def alone(network, window):
    x = torch.stack(window, dim=1)[None]
    for layer in network.stem():
        x = layer(x)
    return x


@pytest.mark.parametrize(
    ("starts", "window"),
    [
        ([[0, 1, 2, 3], [4, 5], [6, 7, 8, 9, 10]], 16),  # in batches
        ([[0], [1], [2], [3], [4]], 16),
        ([[0, 2, 4], [6, 8, 9]], 16),  # stride 2, and a last window that ends with the video
        ([[0, 4], [8]], 16),
        ([[0, 1, 2], [3, 4]], 13),  # other zeros before and after
        ([[0, 1, 2], [3, 4]], 5),  # no inner map
    ],
)
@torch.inference_mode()
def test_shared_maps_are_those_of_each_window_alone(network, starts, window):
    frames, shared = clip(starts[-1][-1] + window), SharedStem(network)
    for batch in starts:
        windows = [frames[start : start + window] for start in batch]
        got = shared(batch, windows)
        for maps, expected in zip(got, (alone(network, each) for each in windows), strict=True):
            torch.testing.assert_close(maps[None], expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_frames_repeated_in_a_short_video_count(network):
    frames = clip(5)
    repeated = [*frames, *[frames[-1]] * 11]
    torch.testing.assert_close(SharedStem(network)([0], [repeated]), alone(network, repeated), rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_maps_kept_do_not_grow_with_the_video(network, monkeypatch):
    """Nor is a map made twice: per window one inner map and three at its edges, then one and five."""
    made = []
    convolve = SharedStem._make

    def counted(self, maps, *layers):
        made.append(len([new for new in maps if new not in self._known]))
        convolve(self, maps, *layers)

    monkeypatch.setattr(SharedStem, "_make", counted)
    frames, shared, kept = clip(80), SharedStem(network), []
    for start in range(60):
        shared([start], [frames[start : start + 16]])
        kept.append(len(shared._known))
    assert made[:2] == [8, 8]
    assert made[-2:] == [4, 6]
    assert kept[20] == kept[-1]


@torch.inference_mode()
def test_failed_pass_can_be_repeated(network, monkeypatch):
    """As when memory runs out: the same windows again, in smaller batches."""
    frames, shared = clip(20), SharedStem(network)
    windows = [frames[start : start + 16] for start in range(4)]
    with monkeypatch.context() as patch:
        patch.setattr(network.Conv3d_2c_3x3, "normalise", lambda x: (_ for _ in ()).throw(torch.OutOfMemoryError()))
        with pytest.raises(torch.OutOfMemoryError):
            shared(range(4), windows)
    got = torch.cat([shared([0, 1], windows[:2]), shared([2, 3], windows[2:])])
    torch.testing.assert_close(got, torch.cat([alone(network, each) for each in windows]), rtol=1e-4, atol=1e-5)
