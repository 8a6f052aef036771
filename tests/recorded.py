"""Tensors recorded from the published system (tests/golden), and models that carry the recorded weights.

`small` lies in the repository; `full`, of the true sizes, lies in the folder that SEDS_SHARED names.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from seds.config import ModelSizes
from seds.fusion import Fusion
from seds.model import SEDS
from seds.release import load_published

GOLDEN = Path(__file__).parent / "golden"
SMALL = ModelSizes(
    embed=64,
    gcn_channels=(16, 16, 32),
    gcn_out=64,
    rgb_features=96,
    tower_width=128,
    tower_layers=2,
    tower_heads=2,
    text_width=128,
    text_layers=2,
    text_heads=2,
    vocabulary=300,
    context=40,
    fusion_feedforward=256,
)
# Largest difference allowed, relative to the largest absolute value: measured float32 error of the original is 1.4e-6.
LIMIT = {torch.float32: 1e-5, torch.float64: 1e-9}


class Recording:
    """One of the recorded configurations in one precision."""

    def __init__(self, prefix: str, dtype: torch.dtype) -> None:
        self.prefix, self.dtype = prefix, dtype
        self.limit = LIMIT[dtype]

    def __repr__(self) -> str:
        return f"{self.prefix}-{str(self.dtype).removeprefix('torch.')}"

    def read(self, name: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs, and outputs in this precision."""
        inputs = self._arrays(name)
        outputs = inputs if self.dtype == torch.float32 else self._arrays(f"{name}_f64")
        return inputs, outputs

    def model(self) -> SEDS:
        """In evaluation mode, published numerics; a fresh copy."""
        model = copy.deepcopy(_model(self.prefix)).to(self.dtype)
        if self.dtype == torch.float64:
            model.fusion.position = float64_position(model.fusion)
        return model

    def _arrays(self, name: str) -> dict[str, Tensor]:
        with np.load(_folder(self.prefix) / f"{self.prefix}_{name}.npz") as file:
            return {key: self._tensor(file[key]) for key in file.files if file[key].dtype.kind in "fiub"}

    def _tensor(self, array: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(array)
        return tensor.to(self.dtype) if tensor.is_floating_point() else tensor


SMALL32, SMALL64 = Recording("small", torch.float32), Recording("small", torch.float64)
FULL32 = Recording("full", torch.float32)
EVERY = pytest.mark.parametrize("recording", [SMALL32, SMALL64, pytest.param(FULL32, marks=pytest.mark.real)], ids=repr)


def assert_close(actual: Tensor, expected: Tensor, limit: float) -> None:
    """The largest difference is at most `limit` times the largest absolute expected value. Shapes agree but for 1s."""
    assert [n for n in actual.shape if n != 1] == [n for n in expected.shape if n != 1]
    scale = expected.abs().max().item()
    difference = (actual.detach().reshape(expected.shape) - expected).abs().max().item()
    assert difference <= limit * scale, f"differs by {difference / scale:.2e} of {scale:.3g}, at most {limit:.0e}"


def without_dropout(model: nn.Module) -> nn.Module:
    """Every dropout probability set to 0, as in the recordings of training."""
    for module in model.modules():
        for name in ("dropout", "out_dropout"):
            if hasattr(module, name):
                setattr(module, name, 0.0)
    return model


def names(prefix: str, name: str, key: str) -> list[str]:
    with np.load(_folder(prefix) / f"{prefix}_{name}.npz") as file:
        return [str(value) for value in file[key]]


def float64_position(fusion: Fusion) -> Tensor:
    """The position table as the float64 recordings have it: angles in float64, their sines kept as float32."""
    positions, width = fusion.position.shape
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(np.log(10000.0) / width)).double()
    angle = torch.arange(positions)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).float().double()


def shake(key: str, count: int) -> np.ndarray:
    """The recipe's integers, int8 [count]."""
    return np.frombuffer(hashlib.shake_256(key.encode()).digest(count), np.int8)


def _folder(prefix: str) -> Path:
    if prefix == "small":
        return GOLDEN
    shared = os.environ.get("SEDS_SHARED")
    if not shared or not (Path(shared) / "golden").is_dir():
        pytest.skip("SEDS_SHARED does not name a folder with golden/")
    return Path(shared) / "golden"


@cache
def _model(prefix: str) -> SEDS:
    model = SEDS(SMALL if prefix == "small" else ModelSizes(), "published")
    load_published(model, weights(prefix))
    return model.eval()


def weights(prefix: str) -> dict[str, Tensor]:
    """Every tensor of the recorded model under its released name, made by the recipe."""
    recipe = json.loads((_folder(prefix) / f"{prefix}_weights.json").read_text())
    made = {}
    for key, rule in recipe["keys"].items():
        count = int(np.prod(rule["shape"], dtype=int))
        if rule["kind"] == "q":
            value = np.float32(rule["offset"]) + shake(f"{recipe['seed']}:{key}", count) * np.float32(
                2.0 ** rule["exp"]
            )
            made[key] = torch.from_numpy(value.reshape(rule["shape"]))
        elif rule["kind"] != "buffer":
            made[key] = torch.full(rule["shape"], float(rule["value"]))
    return made
