"""Whole-body configs and checkpoints of mmpose: found by name, downloaded once, loaded without running code."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch

from seds.errors import SedsError

_CONFIGS = ("rtmpose", "topdown_heatmap")  # folders of wholebody_2d_keypoint; its others hold distillation recipes


class WeightsError(SedsError, ValueError):
    """An unknown config, or a checkpoint that is missing, damaged, another than named, or of another network."""


def config_path(name: str) -> Path:
    """The file of one of mmpose's whole-body configs. Raises WeightsError listing the known names."""
    folder = _configs() / "wholebody_2d_keypoint"
    known = {path.stem: path for kind in _CONFIGS for path in sorted((folder / kind).rglob("*.py"))}
    if name not in known:
        raise WeightsError(f"unknown whole-body config {name!r}; mmpose has:\n  " + "\n  ".join(known))
    return known[name]


def resolve_weights(config: str, weights: str | None, sha256: str | None) -> tuple[str, str]:
    """Path and sha256 of the checkpoint: the file named, or the config's own, downloaded once into torch's cache.

    Raises WeightsError: unknown config, no such file, failed download, another sha256 than the one given.
    """
    file = config_path(config)
    path = Path(weights) if weights is not None else _download(file)
    if not path.is_file():
        raise WeightsError(f"{path} not found; with weights: null, mmpose downloads those of {config}")
    with path.open("rb") as checkpoint:
        found = hashlib.file_digest(checkpoint, "sha256").hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise WeightsError(f"{path}: sha256 is {found}, expected {sha256}")
    return str(path), found


def _configs() -> Path:
    spec = find_spec("mmpose")
    if spec is None or spec.origin is None:
        raise ImportError("mmpose is not installed; run: make setup")
    return Path(spec.origin).parent / ".mim" / "configs"


def _download(config: Path) -> Path:
    """The checkpoint that mmpose's model index names for a config, in torch's cache."""
    from mmengine.hub import get_config

    url = get_config(f"mmpose::{config.relative_to(_configs())}", pretrained=True).get("model_path")
    if url is None:
        raise WeightsError(f"mmpose publishes no weights for {config.stem}; name a checkpoint of it as weights")
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path))
        except OSError as error:
            raise WeightsError(f"{url} could not be downloaded ({error}); put it at {path}") from None
    return path


def load_weights(model: torch.nn.Module, path: Path, config: str) -> None:
    """Fill the network from a checkpoint, without running code from it. Raises WeightsError."""
    from mmengine.logging import HistoryBuffer

    # What mmengine writes beside tensors: numpy arrays of the data set's description, histories of the losses.
    harmless = [HistoryBuffer, np.ndarray, np.dtype, *(getattr(np.dtypes, name) for name in np.dtypes.__all__)]
    harmless += [np.float32(0).__reduce__()[0], np.zeros(0).__reduce__()[0]]  # numpy's own makers of a scalar, an array
    try:
        with torch.serialization.safe_globals(harmless):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its reader raises many kinds for a damaged file
        reason = (str(error).partition("WeightsUnpickler error:")[2] or str(error)).strip().splitlines()  # less advice
        raise WeightsError(f"{path} is damaged or holds more than tensors and plain data: {reason[0]}") from None
    try:
        missing = model.load_state_dict(checkpoint.get("state_dict", checkpoint), strict=False).missing_keys
    except (RuntimeError, AttributeError, TypeError) as error:
        raise WeightsError(f"{path} is not a checkpoint of {config}: {error}") from None
    if missing:
        raise WeightsError(
            f"{path} is not a checkpoint of {config}: lacks {len(missing)} tensors, such as {missing[0]}"
        )
