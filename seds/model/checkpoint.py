"""The model folder: weights as safetensors, the configuration to rebuild the network from, and a model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors import torch as tensors
from torch import Tensor

from seds.config import ModelSizes
from seds.errors import SedsError
from seds.model.seds import SEDS
from seds.system.files import write_bytes, write_text

WEIGHTS, CONFIG, CARD = "seds.safetensors", "config.json", "README.md"


class CheckpointError(SedsError, ValueError):
    """A model folder is missing, incomplete or has other sizes; the message names the file and what is wrong."""


def save(folder: Path, model: SEDS, state: dict[str, Tensor], provenance: dict[str, Any], card: str) -> None:
    """Write the weights `state` with the sizes and numerics of `model`, their provenance and the model card (Markdown).

    Each file is written whole or not at all. Raises StorageError.
    """
    write_bytes(folder / WEIGHTS, tensors.save({name: tensor.contiguous() for name, tensor in state.items()}))
    config = {"sizes": model.sizes.model_dump(), "numerics": model.numerics, "provenance": provenance}
    write_text(folder / CONFIG, json.dumps(config, indent=2) + "\n")
    write_text(folder / CARD, card)


def read_config(folder: Path) -> dict[str, Any]:
    """{"sizes": ModelSizes, "numerics": ..., "provenance": ...} of a model folder. Raises CheckpointError."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        return {**config, "sizes": ModelSizes.model_validate(config["sizes"])}
    except FileNotFoundError:
        raise CheckpointError(f"{path} not found; train a model with: dvc repro train@{folder.name}") from None
    except (json.JSONDecodeError, KeyError, TypeError, ValidationError) as error:
        raise CheckpointError(f"{path} is not a model's configuration: {error}") from None


def load(folder: Path) -> SEDS:
    """The model in a folder, in evaluation mode on the CPU. Raises CheckpointError naming what does not fit."""
    config = read_config(folder)
    model = SEDS(config["sizes"], config["numerics"])
    path = folder / WEIGHTS
    try:
        state = tensors.load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); train again with: dvc repro train@{folder.name}"
        ) from None
    try:
        model.load_state_dict(state)
    except RuntimeError as error:  # torch lists every missing, unexpected and mis-shaped key
        raise CheckpointError(f"{path} does not fit the sizes in {folder / CONFIG}: {error}") from None
    return model.eval()
