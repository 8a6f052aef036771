"""Training in float64, where summing in another order changes too little to matter.

In float32 it does not: a ReLU whose input is nearly 0 opens or stays shut as rounding has it, Adam makes a full step of
the smallest gradient, and two trainings that should be one are apart by more than rounding after a few steps. How far
differs between processors. Run as a module, this is the train stage: `python -m helpers.float64 toy`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from helpers.batches import widened_batch
from seds.data.batches import Batch
from seds.data.split import Split
from seds.model.seds import SEDS
from seds.training import fitting
from stages import train


class Float64Split(Split):
    """A split whose batches are in float64."""

    @classmethod
    def of(cls, split: Split) -> Float64Split:
        return cls(split.videos, split.sizes, split.numerics)

    def training_batches(self, *settings: Any, **options: Any) -> Iterator[tuple[np.ndarray, Batch]]:
        return ((indices, widened_batch(batch)) for indices, batch in super().training_batches(*settings, **options))

    def video_batches(self, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
        return map(widened_batch, super().video_batches(size, order))

    def subset(self, sentences: int) -> Split:
        return Float64Split.of(super().subset(sentences))


def train_in_float64(dataset: str) -> None:
    """Run the train stage on batches and with a model in float64."""
    load_split, build = train.load_split, fitting.build

    def load_float64(*arguments: Any, **options: Any) -> Split:
        return Float64Split.of(load_split(*arguments, **options))

    def build_float64(*arguments: Any) -> SEDS:
        return build(*arguments).double()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "load_split", load_float64)
        patch.setattr(fitting, "build", build_float64)
        train.main(dataset)


if __name__ == "__main__":
    train_in_float64(sys.argv[1])
