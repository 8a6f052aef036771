"""A folder of tensors recorded from the published system, and models that carry the recorded weights.

A *prefix* is one recorded configuration: `PREFIX_weights.json` holds its sizes and the recipe of its weights, or
`PREFIX_weights.npz` the weights themselves; `PREFIX_<part>.npz` inputs and outputs of a part, `PREFIX_<part>_f64.npz`
the outputs in float64. Nothing about sizes is assumed.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from seds.config import ModelSizes
from seds.model.fusion import GlossFusion
from seds.model.published import PublishedTensorsError, load_published, sizes_of
from seds.model.published_names import OURS_ALONE, TABLES, published_name
from seds.model.seds import SEDS
from seds.verify.arrays import ArrayFiles, Arrays, NotCompared, RecordingError, load_arrays, load_json

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


# Of the recorded config, what sizes follow from or need not be known.
DERIVED = ("name", "hidden_dim", "pose_dim", "in_channels", "windows_stride")


class Recording:
    """One configuration of a folder in one precision. files: the folder's, where others read them too."""

    def __init__(
        self, folder: Path, prefix: str, dtype: torch.dtype = torch.float32, files: ArrayFiles | None = None
    ) -> None:
        self.folder, self.prefix, self.dtype = folder, prefix, dtype
        self.files = files or ArrayFiles(folder)

    def __repr__(self) -> str:
        return f"{self.prefix}{self._suffix}"

    @property
    def exact(self) -> bool:
        return self.dtype == torch.float64

    @property
    def limit(self) -> float:
        """Of outputs, relative to the largest value. The recorded system's own float32 error is up to 1.4e-6."""
        return 1e-9 if self.exact else 1e-5

    @property
    def sizes(self) -> ModelSizes:
        """Raises RecordingError, and NotCompared where the model was recorded with an option that is not offered."""
        return _sizes(self.folder, self.prefix)

    def label(self, part: str) -> str:
        """Name of the file that outputs are read from, without its ending."""
        return f"{self.prefix}_{part}{self._suffix}"

    def path(self, part: str) -> Path:
        return self.folder / f"{self.label(part)}.npz"

    def read(self, part: str) -> tuple[Arrays, Arrays]:
        """Inputs and outputs in this precision. Of float64, inputs may be recorded in the float32 file alone."""
        if not self.exact:
            arrays = self.files[f"{self.prefix}_{part}.npz"].view(self.dtype)
            return arrays, arrays
        single = f"{self.prefix}_{part}.npz"
        inputs = self.files[single].view(self.dtype) if single in self.files else None
        outputs = self.files[f"{self.prefix}_{part}_f64.npz"]
        return outputs.view(self.dtype, inputs), outputs.view(self.dtype)

    def model(self, *parts: str) -> SEDS:
        """In evaluation mode, published numerics; a fresh copy.

        parts: those of the model that must have recorded weights; none = all. Raises RecordingError, NotCompared.
        """
        loaded = _loaded(self.folder, self.prefix)
        if isinstance(loaded, Exception):
            raise loaded
        original, missing = loaded
        if lacking := [name for name in missing if not parts or name.startswith(parts)]:
            raise NotCompared(f"{self.prefix}_weights lacks {published_name(lacking[0])} ({len(lacking)} tensors)")
        model = copy.deepcopy(original).to(self.dtype)
        if self.exact and isinstance(model.fusion, GlossFusion):
            model.fusion.position = float64_position(model.fusion)
        return model

    @property
    def _suffix(self) -> str:
        return "_f64" if self.exact else ""


def prefixes(folder: Path) -> list[str]:
    """The configurations of a folder, in order of their names."""
    names = {path.stem.removesuffix("_weights") for end in ("json", "npz") for path in folder.glob(f"*_weights.{end}")}
    return sorted(names)


def weights(folder: Path, prefix: str) -> dict[str, Tensor]:
    """Every tensor of a recorded model under its released name: by the recipe where there is one, else as stored.

    Raises RecordingError when a tensor made by the recipe does not have the recorded sha256.
    """
    recipe = read_recipe(folder, prefix)
    if "keys" not in recipe:
        return stored_weights(folder, prefix)
    tensors = {}
    for key, rule in recipe["keys"].items():
        try:
            if rule["kind"] == "buffer":
                continue  # the module's own table
            array = _generated(key, rule, recipe["seed"])
        except (NotCompared, TypeError, ValueError) as error:
            raise RecordingError(f"{prefix}_weights.json: the rule of {key} cannot be followed: {error}") from None
        digest = hashlib.sha256(array.tobytes()).hexdigest()
        if digest != rule.get("sha256", digest):
            raise RecordingError(f"{prefix}_weights.json: {key} should have sha256 {rule['sha256']}, got {digest}")
        tensors[key] = torch.from_numpy(array)
    return tensors


def stored_weights(folder: Path, prefix: str) -> dict[str, Tensor]:
    """PREFIX_weights.npz as float32, which half precision there is exact in. Raises RecordingError."""
    path = folder / f"{prefix}_weights.npz"
    if not path.is_file():
        raise RecordingError(f"{path} not found, and {prefix}_weights.json holds no recipe (`keys`)")
    arrays = load_arrays(path)
    tensors = {name: arrays.tensor(name) for name in arrays}
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def unknown_options(folder: Path, prefix: str) -> list[str]:
    """Entries of the recorded config that a model of ours cannot have, as `name: value`."""
    config = read_recipe(folder, prefix).get("config") or {}
    known = {*CONFIG_NAMES.values(), *DERIVED}
    return [
        f"{name}: {value}"
        for name, value in config.items()
        if name not in known or (name == "windows_stride" and value != 1)
    ]


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


def _generated(key: str, rule: Mapping[str, Any], seed: str) -> np.ndarray:
    shape, count = rule["shape"], int(np.prod(rule["shape"], dtype=int))
    if rule["kind"] == "q":
        value = np.float32(rule["offset"]) + shake(f"{seed}:{key}", count) * np.float32(2.0 ** rule["exp"])
        return value.reshape(shape)
    return np.full(shape, rule["value"], np.int64 if rule["kind"] == "int" else np.float32)


@cache
def read_recipe(folder: Path, prefix: str) -> dict[str, Any]:
    """PREFIX_weights.json; empty where there is none. Raises RecordingError."""
    path = folder / f"{prefix}_weights.json"
    recipe = load_json(path) if path.is_file() else {}
    if not isinstance(recipe, dict):
        raise RecordingError(
            f"{path.name} holds a {type(recipe).__name__}, expected an object with `config` and `keys`"
        )
    return recipe


@cache
def _sizes(folder: Path, prefix: str) -> ModelSizes:
    config = read_recipe(folder, prefix).get("config", {})
    known = {field: config[name] for field, name in CONFIG_NAMES.items() if name in config}
    if missing := sorted(set(CONFIG_NAMES.values()) - set(config)):
        shapes = {name: tensor.shape for name, tensor in weights(folder, prefix).items()}
        try:
            known = sizes_of(shapes).model_dump() | known
        except PublishedTensorsError as error:
            raise RecordingError(f"{prefix}_weights.json: config lacks {', '.join(missing)}; {error}") from None
    try:
        sizes = ModelSizes(**known)
        with torch.device("meta"):
            SEDS(sizes, "published")
    except ValidationError as error:
        reasons = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}, got {e['input']!r}" for e in error.errors())
        raise NotCompared(f"{prefix}_weights.json: config is not offered: {reasons}") from None
    except ValueError as error:
        raise NotCompared(f"{prefix}_weights.json: config is not offered: {error}") from None
    offered = {"in_channels": 2, "hidden_dim": sizes.embed, "pose_dim": 3 * sizes.gcn_out}
    for name, value in offered.items():
        if config.get(name, value) != value:
            raise NotCompared(f"{prefix}_weights.json: {name} {config[name]} is not offered, only {value}")
    return sizes


@cache
def _loaded(folder: Path, prefix: str) -> tuple[SEDS, list[str]] | Exception:
    """The model, and the names in it of what has no recorded weights; or why there is none."""
    try:
        model, recorded = SEDS(_sizes(folder, prefix), "published"), weights(folder, prefix)
        names = {published_name(name): name for name in model.state_dict() if name not in OURS_ALONE}
        load_published(model, recorded, {*TABLES, *(names.keys() ^ recorded.keys())})
    except PublishedTensorsError as error:
        return RecordingError(f"{prefix}_weights: {error}")
    except (RecordingError, NotCompared) as error:
        return error
    return model.eval(), [name for theirs, name in names.items() if theirs not in recorded]
