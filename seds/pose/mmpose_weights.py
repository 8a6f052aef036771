"""Whole-body configs and checkpoints of mmpose: found by name, downloaded once, loaded without running code."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import torch

from seds.config import ConfigError, MmposeProfile
from seds.weightfiles import Checkpoint, WeightFileError, find_checkpoint, read_state

_CONFIGS = ("rtmpose", "topdown_heatmap")  # folders of wholebody_2d_keypoint; its others hold distillation recipes


def config_path(name: str) -> Path:
    """The file of one of mmpose's whole-body configs. Raises ConfigError with the known names."""
    folder = _configs() / "wholebody_2d_keypoint"
    known = {path.stem: path for kind in _CONFIGS for path in sorted((folder / kind).rglob("*.py"))}
    if name not in known:
        raise ConfigError(f"unknown whole-body config {name!r}; mmpose has:\n  " + "\n  ".join(known))
    return known[name]


def find_weights(profile: MmposeProfile) -> Checkpoint:
    """The profile's checkpoint: the file that it names, or mmpose's own, downloaded once into torch's cache.

    Raises ConfigError for an unknown config; WeightFileError: no such file, failed download, another sha256.
    """
    config = config_path(profile.config)
    path = Path(profile.weights) if profile.weights is not None else _download(config)
    if_missing = f"with weights: null, mmpose's own for {profile.config} are downloaded"
    return find_checkpoint(path, profile.weights_sha256, if_missing)


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
        raise WeightFileError(f"mmpose publishes no weights for {config.stem}; name a checkpoint of it as weights")
    path = Path(torch.hub.get_dir(), "checkpoints", Path(url).name)
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path))
        except OSError as error:
            raise WeightFileError(f"{url} could not be downloaded ({error}); put the file at {path}") from None
    return path


def load_weights(model: torch.nn.Module, path: Path, config: str) -> None:
    """Fill the network from a checkpoint, without running code from it. Raises WeightFileError."""
    from mmengine.logging import HistoryBuffer  # mmengine saves the history of the losses with the weights

    state = read_state(path, [HistoryBuffer])
    try:
        missing = model.load_state_dict(state, strict=False).missing_keys
    except RuntimeError as error:
        raise WeightFileError(f"{path} is not a checkpoint of {config}: {error}") from None
    if missing:
        raise WeightFileError(
            f"{path} is not a checkpoint of {config}: {len(missing)} tensors are missing, such as {missing[0]}"
        )
