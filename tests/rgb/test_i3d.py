"""The network against the slow obvious one: zeros padded by hand, plain convolutions, normalisation by its formula."""

import pytest
import torch
import torch.nn.functional as F
from mmaction.registry import MODELS

from seds.extraction.openmmlab import fill_import_gaps
from seds.rgb.i3d import BLOCKS, InceptionI3D, average_pool, build_recognizer, same_padding, scaled

PUBLISHED_PARAMETERS = 12_287_264  # convolutions, scales and shifts of Inception-I3D without its classifier


def pad_same(x, kernel, stride):
    """TF 'same' by its case distinction (size a multiple of the stride or not), all zeros materialised."""
    amounts = []
    for size, k, s in zip(x.shape[2:], kernel, stride, strict=True):
        total = max(k - s, 0) if size % s == 0 else max(k - size % s, 0)
        amounts = [total // 2, total - total // 2, *amounts]  # F.pad counts axes from the last
    return F.pad(x, amounts)


def slow_unit(state, name, x, kernel, stride=1):
    x = F.conv3d(pad_same(x, [kernel] * 3, [stride] * 3), state[f"{name}.conv3d.weight"], stride=stride)
    mean, var, scale, shift = (
        state[f"{name}.bn.{key}"].view(1, -1, 1, 1, 1) for key in ("running_mean", "running_var", "weight", "bias")
    )
    return ((x - mean) / torch.sqrt(var + 1e-3) * scale + shift).clamp(min=0)


def slow_pool(x, kernel, stride):
    return F.max_pool3d(pad_same(x, kernel, stride), kernel, stride)


def slow_inception(state, name, x):
    return torch.cat(
        [
            slow_unit(state, f"{name}.b0", x, 1),
            slow_unit(state, f"{name}.b1b", slow_unit(state, f"{name}.b1a", x, 1), 3),
            slow_unit(state, f"{name}.b2b", slow_unit(state, f"{name}.b2a", x, 1), 3),
            slow_unit(state, f"{name}.b3b", slow_pool(x, (3, 3, 3), (1, 1, 1)), 1),
        ],
        dim=1,
    )


def slow_network(state, x):
    x = slow_unit(state, "Conv3d_1a_7x7", x, 7, 2)
    x = slow_pool(x, (1, 3, 3), (1, 2, 2))
    x = slow_unit(state, "Conv3d_2b_1x1", x, 1)
    x = slow_unit(state, "Conv3d_2c_3x3", x, 3)
    x = slow_pool(x, (1, 3, 3), (1, 2, 2))
    for name in ("Mixed_3b", "Mixed_3c"):
        x = slow_inception(state, name, x)
    x = slow_pool(x, (3, 3, 3), (2, 2, 2))
    for name in ("Mixed_4b", "Mixed_4c", "Mixed_4d", "Mixed_4e", "Mixed_4f"):
        x = slow_inception(state, name, x)
    x = slow_pool(x, (2, 2, 2), (2, 2, 2))
    for name in ("Mixed_5b", "Mixed_5c"):
        x = slow_inception(state, name, x)
    return x


def network(width, seed=0):
    """An evaluating network in which every parameter and running statistic is random."""
    generator = torch.Generator().manual_seed(seed)
    net = InceptionI3D(width).eval()
    with torch.no_grad():
        for unit in net.units():
            fan = unit.conv3d.weight[0].numel()
            unit.conv3d.weight.copy_(torch.randn(unit.conv3d.weight.shape, generator=generator) * (2 / fan) ** 0.5)
            channels = unit.bn.num_features
            unit.bn.weight.copy_(torch.rand(channels, generator=generator) + 0.5)
            unit.bn.bias.copy_(torch.randn(channels, generator=generator) * 0.1)
            unit.bn.running_mean.copy_(torch.randn(channels, generator=generator) * 0.1)
            unit.bn.running_var.copy_(torch.rand(channels, generator=generator) + 0.5)
    return net


@pytest.mark.parametrize("size", [(16, 64, 64), (13, 50, 45), (9, 47, 70)])
def test_network_equals_the_slow_one(size):
    net = network(0.125)
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1)) - 0.5
    with torch.inference_mode():
        expected = slow_network(net.state_dict(), x)
        assert expected.std() > 1e-2
        torch.testing.assert_close(net(x), expected, rtol=1e-4, atol=1e-5)
        last = net(x.to(memory_format=torch.channels_last_3d))
        torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)


def test_network_of_published_width_is_the_published_one():
    net = InceptionI3D(1.0).eval()
    assert sum(p.numel() for p in net.parameters()) == PUBLISHED_PARAMETERS
    shapes = {}
    for name, layer in net.named_children():
        layer.register_forward_hook(lambda _, __, out, name=name: shapes.update({name: tuple(out.shape[1:])}))
    with torch.inference_mode():
        features = average_pool(net(torch.zeros(1, 3, 16, 224, 224)))
    assert features.shape == (1, 1024)
    # Figure 3 of the paper at 16 frames.
    expected = {
        "Conv3d_1a_7x7": (64, 8, 112, 112),
        "Conv3d_2c_3x3": (192, 8, 56, 56),
        "Mixed_3b": (256, 8, 28, 28),
        "Mixed_3c": (480, 8, 28, 28),
        "Mixed_4b": (512, 4, 14, 14),
        "Mixed_4e": (528, 4, 14, 14),
        "Mixed_4f": (832, 4, 14, 14),
        "Mixed_5b": (832, 2, 7, 7),
        "Mixed_5c": (1024, 2, 7, 7),
    }
    assert {name: shapes[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("channels", "width", "expected"), [(64, 1, 64), (16, 0.25, 8), (208, 0.25, 48), (96, 0.5, 48)]
)
def test_width_scales_to_multiples_of_eight(channels, width, expected):
    assert scaled(channels, width) == expected


def test_width_scales_the_features():
    assert {width: InceptionI3D(width).features for width in (0.25, 0.5)} == {0.25: 256, 0.5: 512}
    assert all(scaled(c, 1) == c for b0, b1, b2, b3 in BLOCKS.values() for c in (b0, *b1, *b2, b3))


def test_same_padding_of_the_first_convolution():
    assert same_padding((16, 224, 225), (7, 7, 7), (2, 2, 2)) == [(2, 3), (2, 3), (3, 3)]
    assert same_padding((8, 7, 4), (2, 1, 3), (2, 2, 1)) == [(0, 0), (0, 0), (1, 1)]


def test_average_pool_of_larger_and_smaller_maps():
    x = torch.randn(2, 5, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    places = [x[:, :, t : t + 2, h : h + 7, w : w + 7] for t in range(2) for h in range(2) for w in range(3)]
    expected = torch.stack([place.mean(dim=(2, 3, 4)) for place in places]).mean(0)
    torch.testing.assert_close(average_pool(x), expected)
    torch.testing.assert_close(average_pool(x[:, :, :1, :4, :4]), x[:, :, :1, :4, :4].mean(dim=(2, 3, 4)))


def test_mmaction_builds_the_network_from_a_config():
    recognizer = build_recognizer(0.125).eval()
    assert MODELS.get("InceptionI3D") is InceptionI3D
    x = torch.rand(2, 1, 3, 16, 64, 64, generator=torch.Generator().manual_seed(0)) - 0.5
    with torch.inference_mode():
        torch.testing.assert_close(recognizer(x, mode="tensor"), recognizer.backbone(x[:, 0]))


def test_mmaction_heads_fit():
    """What fine-tuning on glosses needs: the map goes into mmaction2's own I3D head, and gradients come back."""
    fill_import_gaps()
    import mmaction.models  # noqa: F401

    recognizer = MODELS.build(
        {
            "_scope_": "mmaction",
            "type": "Recognizer3D",
            "backbone": {"type": "InceptionI3D", "width": 0.125},
            "cls_head": {"type": "I3DHead", "num_classes": 5, "in_channels": InceptionI3D(0.125).features},
            "data_preprocessor": {"type": "ActionDataPreprocessor"},
        }
    )
    logits = recognizer(torch.rand(2, 1, 3, 16, 64, 64), mode="tensor", stage="head")
    assert logits.shape == (2, 5)
    logits.sum().backward()
    assert recognizer.backbone.Conv3d_1a_7x7.conv3d.weight.grad.abs().sum() > 0
