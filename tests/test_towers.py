"""The three transformers against the recordings."""

import pytest
import torch
from recorded import EVERY, SMALL32, assert_close

from seds.towers import SequenceTower, TextTower


@EVERY
@pytest.mark.parametrize("stream", ["pose", "rgb"])
def test_recorded_sequence_towers(recording, stream):
    inputs, outputs = recording.read("visual")
    tower = getattr(recording.model(), f"{stream}_tower")
    windows = inputs[f"{stream}_in"][..., 0].transpose(1, 2)
    tokens = tower(windows, inputs["mask"] == 0)
    assert_close(tokens, outputs[f"{stream}_hidden"], recording.limit)


def test_recorded_first_blocks():
    inputs, _ = SMALL32.read("visual")
    model, seen = SMALL32.model(), {}
    for stream in ("pose", "rgb"):
        tower = getattr(model, f"{stream}_tower")
        tower.blocks[0].register_forward_hook(lambda _m, _i, y, stream=stream: seen.update({stream: y}))
        tower(inputs[f"{stream}_in"][..., 0].transpose(1, 2), inputs["mask"] == 0)
        assert_close(seen[stream], inputs[f"{stream}_mid_block0"], 1e-5)


@EVERY
def test_recorded_text_tower(recording):
    inputs, outputs = recording.read("text")
    model = recording.model()
    for prefix in ("", "short_"):
        expected = outputs[f"{prefix}hidden"]
        text = model.encode_text(inputs[f"{prefix}ids"])
        assert_close(text.tokens[: len(expected)], expected, recording.limit)  # not every row was kept
        # One row has two end tokens (the first counts), one has none (its start token alone is valid).
        assert torch.equal(text.valid, inputs[f"{prefix}text_mask"] > 0)


def test_too_long_sequences_are_refused():
    tower = SequenceTower(inputs=3, length=4, width=8, layers=1, heads=2, embed=8)
    with pytest.raises(ValueError, match="5 windows, but the tower has 4 positions"):
        tower(torch.zeros(1, 5, 3), torch.ones(1, 6, dtype=torch.bool))
    text = TextTower(vocabulary=10, context=4, width=8, layers=1, heads=2, embed=8)
    with pytest.raises(ValueError, match="5 tokens, but the text tower has 4 positions"):
        text(torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="width 10 is not a multiple of 4 heads"):
        TextTower(vocabulary=10, context=4, width=10, layers=1, heads=4, embed=8)
