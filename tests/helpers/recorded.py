"""The recordings in the repository, for tests that need a model with weights; `seds.verify` compares with them."""

from pathlib import Path

import torch

from seds.verify.recordings import Recording, without_dropout

__all__ = ["GOLDEN", "SMALL", "SMALL32", "SMALL64", "without_dropout"]

GOLDEN = Path(__file__).parents[1] / "golden"
SMALL32, SMALL64 = Recording(GOLDEN, "small"), Recording(GOLDEN, "small", torch.float64)
SMALL = SMALL32.sizes
