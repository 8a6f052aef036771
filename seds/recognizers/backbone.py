"""Recognizers of mmaction2, built from its configs without head and neck: networks that were trained on other videos.

Which frames a clip has and how large it is are the config's: SampleFrames, Resize and crop of its pipeline for
validation or, without one, for tests. B clips of T frames, H and W px, D features.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from seds.config import ConfigError
from seds.errors import first_few
from seds.extraction.openmmlab import fill_import_gaps
from seds.system.files import digest
from seds.weightfiles import WeightFileError, read_state

_KINDS = ("Recognizer2D", "Recognizer3D")
_CROPS = ("CenterCrop", "ThreeCrop", "TenCrop")
_PIPELINES = ("val_pipeline", "test_pipeline")  # of one view; of several


@dataclass(frozen=True)
class Clip:
    """What a recognizer looks at. frames: T; interval: raw frames from one to the next.

    short, size: px; the shorter side of a frame is scaled to `short`, or the frame to `size` (width, height); of both
    one is None. crop: width and height of its middle; None = all of it. format: NCTHW or NCHW, of the input.
    """

    frames: int
    interval: int
    short: int | None
    size: tuple[int, int] | None
    crop: tuple[int, int] | None
    format: str

    @property
    def window(self) -> int:
        """Raw frames that a clip spans."""
        return self.frames * self.interval

    def prepared(self, image: np.ndarray) -> np.ndarray:
        """uint8 [H,W,3] scaled and cropped."""
        height, width = image.shape[:2]
        if self.size is not None:
            to = self.size
        else:
            assert self.short is not None
            scale = self.short / min(height, width)
            to = max(self.short, round(width * scale)), max(self.short, round(height * scale))
        mode = cv2.INTER_AREA if to[0] <= width and to[1] <= height else cv2.INTER_LINEAR
        scaled = cv2.resize(image, to, interpolation=mode)
        if self.crop is None:
            return scaled
        across, down = self.crop
        left, top = (to[0] - across) // 2, (to[1] - down) // 2
        if left < 0 or top < 0:
            raise ValueError(f"its config crops {across}x{down} px of frames of {to[0]}x{to[1]}")
        return np.ascontiguousarray(scaled[top : top + down, left : left + across])


@dataclass(frozen=True)
class NetworkConfig:
    """A config of mmaction2. model: its dict, without head, neck and pretrained weights."""

    name: str
    model: dict[str, Any]
    clip: Clip

    @property
    def sha256(self) -> str:
        """Of what it says about network and clip, 16 hex digits."""
        return digest([self.model, vars(self.clip)])[:16]


def read_config(network: str) -> NetworkConfig:
    """The config of that name among those in mmaction2's wheel, or in the file of that path, which is run as Python.

    Raises ConfigError: unknown, or no recognizer of frames.
    """
    from mmengine.config import Config

    path = _config_path(network)
    try:
        config = Config.fromfile(str(path))
        model = json.loads(json.dumps(config.model.to_dict()))  # plain data, so that it has a digest
    except Exception as error:  # a config is a program
        raise ConfigError(f"{path} is no config of a recognizer: {type(error).__name__} {error}") from None
    if model.get("type") not in _KINDS:
        raise ConfigError(f"{path}: type {model.get('type')!r}, expected {' or '.join(_KINDS)}, which look at frames")
    for part in ("cls_head", "neck", "train_cfg", "test_cfg"):
        model.pop(part, None)
    backbone = model["backbone"]
    for name in ("pretrained", "init_cfg"):
        if name in backbone:
            backbone[name] = None
    if backbone.get("pretrained2d"):
        backbone["pretrained2d"] = False
    return NetworkConfig(path.stem, model, _clip(config, path))


def _config_path(network: str) -> Path:
    if network.endswith(".py"):
        if not Path(network).is_file():
            raise ConfigError(
                f"{network} not found; rgb.<profile>.network is a config of mmaction2, its name or a path"
            )
        return Path(network)
    spec = find_spec("mmaction")
    if spec is None or spec.origin is None:
        raise ImportError("mmaction2 is not installed; run: make setup")
    folder = Path(spec.origin).parent / ".mim" / "configs" / "recognition"
    known = {path.stem: path for path in sorted(folder.rglob("*.py"))}
    if network not in known:
        names = "\n  ".join(first_few(list(known), 200))
        raise ConfigError(f"unknown network {network!r}; mmaction2 has:\n  {names}")
    return known[network]


def _clip(config: Any, path: Path) -> Clip:
    """What the pipeline says. Raises ConfigError."""
    pipeline = next((config[name] for name in _PIPELINES if name in config), None)
    if pipeline is None:
        raise ConfigError(f"{path} has no {' or '.join(_PIPELINES)}, which say how large a clip is")
    steps = {step["type"]: step for step in pipeline}
    crop = next((steps[name]["crop_size"] for name in _CROPS if name in steps), None)
    sample, shape, resize = (steps.get(name, {}) for name in ("SampleFrames", "FormatShape", "Resize"))
    scale, form = resize.get("scale"), shape.get("input_format")
    if not sample or form not in ("NCTHW", "NCHW") or not isinstance(scale, tuple | list) or len(scale) != 2:
        raise ConfigError(f"{path}: expected SampleFrames, Resize and FormatShape (NCTHW or NCHW) in its pipeline")
    frames = sample["clip_len"] if sample["clip_len"] > 1 else sample.get("num_clips", 1)
    keeps = resize.get("keep_ratio", True)
    square = (crop, crop) if isinstance(crop, int) else None if crop is None else tuple(crop)
    if keeps:
        short, size = min(side for side in scale if side > 0), None
    else:
        short, size = None, (int(scale[0]), int(scale[1]))
    return Clip(frames, sample.get("frame_interval", 1), short, size, square, form)


def build(config: NetworkConfig, seed: int, checkpoint: Path | None) -> nn.Module:
    """The recognizer, with a checkpoint's weights or, for None, those that `seed` draws. Raises WeightFileError."""
    fill_import_gaps()
    import mmaction.models  # noqa: F401  registers the networks
    from mmaction.registry import MODELS

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        recognizer: nn.Module = MODELS.build({"_scope_": "mmaction", **json.loads(json.dumps(config.model))})
    if checkpoint is not None:
        _load(recognizer, checkpoint, config.name)
    return recognizer


def _load(recognizer: nn.Module, path: Path, name: str) -> None:
    from mmengine.logging import HistoryBuffer  # mmengine saves the history of the losses with the weights

    state = read_state(path, [HistoryBuffer])
    given = {key: value for key, value in state.items() if key.startswith("backbone.")}
    wanted = recognizer.state_dict()
    problems = [f"missing {key}" for key in wanted if key not in given]
    problems += [f"unexpected {key}" for key in given if key not in wanted]
    problems += [
        f"{key} has shape {list(given[key].shape)}, the network's is {list(wanted[key].shape)}"
        for key in wanted
        if key in given and given[key].shape != wanted[key].shape
    ]
    if problems:
        lines = "\n  ".join(first_few(problems, 20))
        raise WeightFileError(f"{path} is no checkpoint of {name}:\n  {lines}")
    recognizer.load_state_dict(given)


def features(recognizer: Any, clips: Tensor, form: str) -> Tensor:
    """uint8 clips [B,T,H,W,3] RGB -> [B,D]: the mean of each of the backbone's last maps over time and space.

    form: NCTHW or NCHW.
    """
    count = len(clips)
    axes = (0, 4, 1, 2, 3) if form == "NCTHW" else (0, 1, 4, 2, 3)
    inputs = list(clips.permute(*axes))
    if form == "NCTHW":
        inputs = [clip[None] for clip in inputs]  # a view each
    batch, _ = recognizer.data_preprocessor.preprocess(inputs, None)
    maps, _ = recognizer.extract_feat(batch, stage="backbone")
    pooled = [_pooled(part.float(), count) for part in _tensors(maps)]
    return torch.cat(pooled, dim=1)


def _tensors(maps: Any) -> Iterator[Tensor]:
    if isinstance(maps, Tensor):
        yield maps
    elif isinstance(maps, list | tuple):
        for part in maps:
            yield from _tensors(part)


def _pooled(last_map: Tensor, count: int) -> Tensor:
    """[B,D,...] or, of a 2-D network, [B T,D,...] -> [B,D]."""
    means = last_map.flatten(2).mean(2) if last_map.ndim > 2 else last_map
    return means.reshape(count, -1, means.shape[1]).mean(1)
