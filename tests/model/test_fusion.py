"""Cross Gloss Attention Fusion against sampling spelled out; test_verify compares it with the recordings."""

import math

import pytest
import torch
from helpers.recorded import SMALL32
from torch.nn import functional as F

from seds.model.fusion import FIRST_REFERENCE, GlossAttention, sinusoid


def _spelled_out(attention, key, value, query, valid):
    """One query, head and sample at a time, as SPEC 8 puts it."""
    batch, length, width = query.shape
    depth = width // attention.heads
    q, k, v = attention.query(query), attention.key(key), attention.value(value)
    offsets = attention.offsets(q).view(batch, length, attention.heads, attention.keys)
    out = torch.zeros_like(q)
    for b in range(batch):
        windows = int(valid[b, 1:].sum())
        for t in range(length):
            for head in range(attention.heads):
                part = slice(head * depth, (head + 1) * depth)

                def sample(z, n, b=b, t=t, head=head, part=part, windows=windows):
                    at = (FIRST_REFERENCE[attention.keys] + n + offsets[b, t, head, n].item() + t) % windows
                    u = at * attention.stretch - 0.5
                    low, total = math.floor(u), torch.zeros(depth, dtype=z.dtype)
                    for i, share in ((low, 1 - (u - low)), (low + 1, u - low)):
                        if 0 <= i < length:
                            total = total + share * z[b, i, part]
                    return 0.5 * total

                scores = torch.stack([q[b, t, part] @ sample(k, n) for n in range(attention.keys)])
                weights = (scores / math.sqrt(depth)).softmax(0)
                out[b, t, part] = sum(w * sample(v, n) for n, w in enumerate(weights))
    return attention.out(out)


@pytest.mark.parametrize("keys", [5, 3])
def test_attention_equals_sampling_spelled_out(keys):
    torch.manual_seed(0)
    attention = GlossAttention(width=8, heads=2, keys=keys, positions=7, dropout=0.0).double()
    torch.nn.init.normal_(attention.offsets.weight, std=2.0)
    key, value, query = torch.randn(3, 2, 7, 8, dtype=torch.float64)
    valid = torch.arange(7) < torch.tensor([[7], [4]])
    expected = _spelled_out(attention, key, value, query, valid)
    torch.testing.assert_close(attention(key, value, query, valid, masked=False), expected)


def test_masked_fusion_does_not_see_padding():
    torch.manual_seed(0)
    fusion = SMALL32.model().fusion
    lengths = torch.tensor([65, 50, 34, 2])  # more than half full: samples reach one past the last window
    valid = torch.arange(65) < lengths[:, None]
    pose, rgb = torch.randn(2, 4, 65, 64)
    expected = fusion(pose, rgb, valid, masked=True)
    noise = torch.randn(2, 4, 65, 64) * ~valid[..., None]
    torch.testing.assert_close(fusion(pose + noise[0], rgb + noise[1], valid, masked=True)[valid], expected[valid])
    for i, length in enumerate(lengths):  # alone and trimmed
        alone = fusion(pose[i : i + 1, :length], rgb[i : i + 1, :length], valid[i : i + 1, :length], masked=True)
        torch.testing.assert_close(alone[0], expected[i, :length], atol=1e-5, rtol=0)
    assert not torch.allclose(
        fusion(pose, rgb, valid, masked=False)[1], fusion(pose + noise[0], rgb, valid, masked=False)[1]
    )


def test_no_valid_window_is_still_a_number():
    fusion = SMALL32.model().fusion
    valid = torch.arange(65)[None] < 1
    assert fusion(*torch.randn(2, 1, 65, 64), valid, masked=True).isfinite().all()


def test_positions_are_vaswanis():
    table = sinusoid(9, 6)
    assert table.shape == (9, 6)
    torch.testing.assert_close(
        table[5, 2:4], torch.tensor([math.sin(5 / 10000 ** (1 / 3)), math.cos(5 / 10000 ** (1 / 3))])
    )
    assert F.cosine_similarity(table[3:4], table[4:5]).item() > F.cosine_similarity(table[3:4], table[8:9]).item()


def test_unknown_number_of_keys_names_the_known():
    with pytest.raises(ValueError, match="4 sampled keys; windows are defined for 5, 3"):
        GlossAttention(width=8, heads=2, keys=4, positions=7, dropout=0.0)
