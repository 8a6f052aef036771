"""Whole-body estimators of mmpose, RTMPose and RTMW (Jiang et al., 2023 and 2024), run on batches of frames.

The box of the person is the whole frame, as mmpose's own `inference_topdown` assumes without a detector: the result is
the same, frame by frame, but many frames go through the network at once. One person a frame; nobody chooses among
several. Confidences are mmpose's, the heights of the SimCC peaks or heat maps, and may exceed 1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seds.compat import fill_import_gaps
from seds.extract import Extraction, Video
from seds.video import frames

_CONFIGS = ("rtmpose", "topdown_heatmap")  # folders of wholebody_2d_keypoint; its others hold distillation recipes
_BATCH = {"cpu": 8, "cuda": 64}  # frames; a CPU gains nothing from more


class WeightsError(ValueError):
    """An unknown config, or a checkpoint that is missing, damaged, another than named, or of another network."""


class Wholebody:
    """Video -> "keypoints" float32 [T,133,3] (x px, y px, confidence).

    config   name of one of mmpose's whole-body configs
    weights  path of a checkpoint of it
    device   "cpu" or "cuda"

    Raises WeightsError; VideoError from decoding.
    """

    def __init__(self, config: str, weights: str, device: str) -> None:
        fill_import_gaps()
        from mmengine import Config
        from mmengine.dataset import Compose
        from mmengine.registry import init_default_scope
        from mmpose.apis import init_model

        if device == "cpu":
            torch.set_num_threads(1)  # one thread a worker
            torch.set_flush_denormal(True)  # activations near zero cost a CPU up to ten times the others
        settings = Config.fromfile(config_path(config))
        settings.model.backbone.init_cfg = None  # names weights to download, which the checkpoint replaces
        if "_scope_" in settings.model.backbone:
            settings.model.backbone._scope_ = "mmpose"  # has mmdet's CSPNeXt as well
        self._model = init_model(settings, device="cpu")
        _load(self._model, Path(weights), config)
        self._model.to(device)
        init_default_scope("mmpose")
        self._prepare = Compose(settings.test_dataloader.dataset.pipeline)
        self._batch = _BATCH["cuda" if device.startswith("cuda") else "cpu"]

    def __call__(self, video: Video) -> Extraction:
        images = frames(video.path, video.start_s, video.end_s)
        parts = []
        while batch := list(islice(images, self._batch)):
            parts.append(self.keypoints(batch))
        keypoints = np.concatenate(parts)
        return Extraction({"keypoints": keypoints}, frames=len(keypoints), rows=len(keypoints))

    @torch.inference_mode()
    def keypoints(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """uint8 RGB frames [H,W,3] -> float32 [N,133,3]."""
        from mmengine.dataset import pseudo_collate

        found = self._model.test_step(pseudo_collate([self._prepare(self._whole_frame(image)) for image in images]))
        people = [sample.pred_instances for sample in found]  # one a frame
        return np.concatenate(
            [np.concatenate([p.keypoints, p.keypoint_scores[..., None]], axis=2) for p in people]
        ).astype(np.float32)

    def _whole_frame(self, image: np.ndarray) -> dict[str, Any]:
        height, width = image.shape[:2]
        return {
            "img": np.ascontiguousarray(image[..., ::-1]),  # mmpose reads BGR
            "bbox": np.array([[0, 0, width, height]], np.float32),
            "bbox_score": np.ones(1, np.float32),
            **self._model.dataset_meta,
        }


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


def settings(config: str, weights_sha256: str) -> dict[str, str]:
    """What determines the result."""
    return {
        "estimator": "mmpose",
        "estimator_version": version("mmpose"),
        "config": config,
        "weights_sha256": weights_sha256,
    }


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


def _load(model: torch.nn.Module, path: Path, config: str) -> None:
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
