"""What the transformers refuse; test_verify compares them with the recordings."""

import pytest
import torch

from seds.model.towers import SequenceTower, TextTower


def test_too_long_sequences_are_refused():
    tower = SequenceTower(inputs=3, length=4, width=8, layers=1, heads=2, embed=8)
    with pytest.raises(ValueError, match="5 windows, but the tower has 4 positions"):
        tower(torch.zeros(1, 5, 3), torch.ones(1, 6, dtype=torch.bool))
    text = TextTower(vocabulary=10, context=4, width=8, layers=1, heads=2, embed=8)
    with pytest.raises(ValueError, match="5 tokens, but the text tower has 4 positions"):
        text(torch.zeros(1, 5, dtype=torch.int64))
    with pytest.raises(ValueError, match="width 10 is not a multiple of 4 heads"):
        TextTower(vocabulary=10, context=4, width=10, layers=1, heads=4, embed=8)
