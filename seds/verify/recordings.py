"""A folder of tensors recorded from the published system, and models that carry the recorded weights.

A *prefix* is one recorded configuration: `PREFIX_weights.json` holds its sizes and the recipe of its weights, or
`PREFIX_weights.npz` the weights themselves; `PREFIX_<part>.npz` inputs and outputs of a part, `PREFIX_<part>_f64.npz`
the outputs in float64. Nothing about sizes is assumed.
"""

from __future__ import annotations

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from seds.config import ModelSizes
from seds.errors import SedsError
from seds.model.fusion import GlossFusion
from seds.model.published import load_published, sizes_of
from seds.model.seds import SEDS

# Field of ModelSizes -> its name in a recording's config.
CONFIG_NAMES = {
    "embed": "embed_dim",
    "max_windows": "feature_len",
    "window": "slide_windows",
    "max_words": "max_words",
    "gcn_channels": "gcn_channels",
    "gcn_out": "gcn_out",
    "rgb_features": "rgb_dim",
    "tower_width": "visual_width",
    "tower_layers": "visual_num_hidden_layers",
    "tower_heads": "visual_heads",
    "text_width": "text_width",
    "text_layers": "text_layers",
    "text_heads": "text_heads",
    "vocabulary": "vocab",
    "context": "context_length",
    "fusion_heads": "fusion_heads",
    "fusion_keys": "fusion_num_keys",
    "fusion_feedforward": "fusion_ff",
}


class RecordingError(SedsError, ValueError):
    """A folder or a file that is not in the recordings' format; the message names it and says what was expected."""


class Recording:
    """One configuration of a folder in one precision."""

    def __init__(self, folder: Path, prefix: str, dtype: torch.dtype = torch.float32) -> None:
        self.folder, self.prefix, self.dtype = folder, prefix, dtype

    def __repr__(self) -> str:
        return f"{self.prefix}{self._suffix}"

    @property
    def exact(self) -> bool:
        return self.dtype == torch.float64

    @property
    def limit(self) -> float:
        """Of outputs, relative to the largest value. The recorded system's own float32 error is up to 1.4e-6."""
        return 1e-9 if self.exact else 1e-5

    @cached_property
    def sizes(self) -> ModelSizes:
        return _sizes(self.folder, self.prefix)

    def label(self, part: str) -> str:
        """Name of the file that outputs are read from, without its ending."""
        return f"{self.prefix}_{part}{self._suffix}"

    def path(self, part: str) -> Path:
        return self.folder / f"{self.label(part)}.npz"

    def read(self, part: str) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Inputs and outputs in this precision. Inputs are recorded once, in float32."""
        inputs = self._tensors(self.folder / f"{self.prefix}_{part}.npz")
        return inputs, self._tensors(self.path(part)) if self.exact else inputs

    def strings(self, part: str) -> dict[str, list[str]]:
        """The arrays of strings, flat; they are recorded once."""
        with np.load(self.folder / f"{self.prefix}_{part}.npz") as file:
            arrays = {key: file[key] for key in file.files}
        return {key: [str(v) for v in value.flat] for key, value in arrays.items() if value.dtype.kind == "U"}

    def model(self) -> SEDS:
        """In evaluation mode, published numerics; a fresh copy."""
        model = copy.deepcopy(_model(self.folder, self.prefix)).to(self.dtype)
        if self.exact and isinstance(model.fusion, GlossFusion):
            model.fusion.position = float64_position(model.fusion)
        return model

    @property
    def _suffix(self) -> str:
        return "_f64" if self.exact else ""

    def _tensors(self, path: Path) -> dict[str, Tensor]:
        with np.load(path) as file:
            arrays = {key: file[key] for key in file.files}
        tensors = {key: torch.from_numpy(value) for key, value in arrays.items() if value.dtype.kind in "fiub"}
        return {key: t.to(self.dtype) if t.is_floating_point() else t for key, t in tensors.items()}


def prefixes(folder: Path) -> list[str]:
    """The configurations of a folder, in order of their names."""
    found = {path.stem.removesuffix("_weights") for end in ("json", "npz") for path in folder.glob(f"*_weights.{end}")}
    return sorted(found)


def weights(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Every tensor of a recorded model under its released name: by the recipe where there is one, else as stored.

    Raises RecordingError when a tensor made by the recipe has not the recorded sha256.
    """
    recipe = _recipe(folder, prefix)
    if "keys" not in recipe:
        return stored_weights(folder, prefix)
    made = {}
    for key, rule in recipe["keys"].items():
        if rule["kind"] == "buffer":
            continue  # the module's own table
        array = _made(key, rule, recipe["seed"])
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        if digest != rule.get("sha256", digest):
            raise RecordingError(f"{prefix}_weights.json: {key} should have sha256 {rule['sha256']}, made {digest}")
        made[key] = torch.from_numpy(array)
    return made


def stored_weights(folder: Path, prefix: str) -> dict[str, Tensor]:
    """PREFIX_weights.npz as float32, which half precision there is exact in."""
    path = folder / f"{prefix}_weights.npz"
    try:
        with np.load(path) as file:
            arrays = {key: np.asarray(file[key]) for key in file.files}
    except FileNotFoundError:
        raise RecordingError(f"{path} not found, and {prefix}_weights.json holds no recipe (`keys`)") from None
    return {
        key: torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)
        for key, array in arrays.items()
    }


def shake(key: str, count: int) -> np.ndarray:
    """The recipe's integers, int8 [count]."""
    return np.frombuffer(hashlib.shake_256(key.encode()).digest(count), np.int8)


def float64_position(fusion: GlossFusion) -> Tensor:
    """The position table as the float64 recordings have it: angles in float64, their sines kept as float32."""
    positions, width = fusion.position.shape
    rate = torch.exp(torch.arange(0, width, 2, dtype=torch.float32) * -(math.log(10000.0) / width)).double()
    angle = torch.arange(positions)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).float().double()


def without_dropout(model: nn.Module) -> nn.Module:
    """Every dropout probability set to 0, as in the recordings of training."""
    for module in model.modules():
        if "dropout" in vars(module):
            vars(module)["dropout"] = 0.0
    return model


def _made(key: str, rule: Mapping[str, Any], seed: str) -> np.ndarray:
    shape, count = rule["shape"], int(np.prod(rule["shape"], dtype=int))
    if rule["kind"] == "q":
        value = np.float32(rule["offset"]) + shake(f"{seed}:{key}", count) * np.float32(2.0 ** rule["exp"])
        return value.reshape(shape)
    return np.full(shape, rule["value"], np.int64 if rule["kind"] == "int" else np.float32)


@cache
def _recipe(folder: Path, prefix: str) -> dict[str, Any]:
    path = folder / f"{prefix}_weights.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@cache
def _sizes(folder: Path, prefix: str) -> ModelSizes:
    config = _recipe(folder, prefix).get("config")
    if config is None:
        return sizes_of({name: tensor.shape for name, tensor in weights(folder, prefix).items()})
    missing = sorted(set(CONFIG_NAMES.values()) - set(config))
    if missing:
        raise RecordingError(f"{prefix}_weights.json: config lacks {', '.join(missing)}")
    return ModelSizes(**{field: config[name] for field, name in CONFIG_NAMES.items()})


@cache
def _model(folder: Path, prefix: str) -> SEDS:
    model = SEDS(_sizes(folder, prefix), "published")
    load_published(model, weights(folder, prefix))
    return model.eval()
