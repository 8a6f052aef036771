"""Whole-body estimators of mmpose, RTMPose and RTMW (Jiang et al., 2023 and 2024), run on batches of frames.

The person's box is the part of the frame that seds.pose.signer chooses, by default the whole frame, as mmpose's own
`inference_topdown` assumes without a detector. The result is the same, frame by frame, but many frames go through the
network at once, and what the frames of a video have in common is done once: mmpose's transforms run for one frame, and
its warp serves for all. Confidences are mmpose's, the heights of the SimCC peaks or heat maps, and may exceed 1.

T frames, N frames of a batch, h and w the network's input in px.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from itertools import chain, islice
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from seds.config import MmposeProfile
from seds.extraction.batching import BatchRunner, find_batch_size, upload
from seds.extraction.openmmlab import fill_import_gaps
from seds.pose.mmpose_weights import config_path, load_weights
from seds.pose.signer import SignerExtractor
from seds.precision import autocast, to_float32
from seds.system.compilation import key_cache_by_vector_width
from seds.system.memory import return_large_blocks
from seds.system.prefetch import prefetch
from seds.video.boxes import Box
from seds.weightfiles import Checkpoint

_CPU_BATCH = 4  # frames; a CPU gains nothing from more, and each costs 30 MB
_BATCHES_AHEAD = 2


def settings(profile: MmposeProfile, checkpoint: Checkpoint) -> dict[str, str]:
    """What determines the result."""
    return {
        "estimator": "mmpose",
        "estimator_version": version("mmpose"),
        "config": profile.config,
        "weights_sha256": checkpoint.sha256,
        "precision": profile.precision,
        "compiled": str(profile.compile).lower(),
        "person_detector": f"mediapipe {version('mediapipe')}",
    }


def make_extractor(profile: MmposeProfile, checkpoint: Checkpoint, device: str) -> SignerExtractor:
    """The extractor on "cpu", "cuda" or "cuda:1", in the process that uses it. Raises WeightFileError."""
    return SignerExtractor(Wholebody(profile, checkpoint.path, device))


class Wholebody:
    """Images and where to look -> float32 [T,133,3]: x px, y px, confidence (seds.pose.signer.Estimate).

    weights: a checkpoint of the profile's config. device: "cpu", "cuda" or "cuda:1"; on a GPU the batch size is found
    by trial. Raises WeightFileError, and torch.OutOfMemoryError if not even one frame fits.
    """

    margin = 1.0  # GetBBoxCenterScale, mmpose's own transform, widens boxes by 1.25

    def __init__(self, profile: MmposeProfile, weights: Path, device: str) -> None:
        fill_import_gaps()
        from mmcv.cnn import fuse_conv_bn
        from mmengine import Config
        from mmengine.dataset import Compose
        from mmengine.registry import init_default_scope
        from mmpose.apis import init_model

        self._device, self._precision = torch.device(device), profile.precision
        cv2.setNumThreads(1)
        if self._device.type == "cpu":
            torch.set_num_threads(1)  # each worker has one core
            torch.set_flush_denormal(True)  # activations near zero cost a CPU up to ten times the others
            return_large_blocks()
        settings = Config.fromfile(config_path(profile.config))
        settings.model.backbone.init_cfg = None  # it names weights to download, which the checkpoint replaces
        if "_scope_" in settings.model.backbone:
            settings.model.backbone._scope_ = "mmpose"  # mmpose has the CSPNeXt of mmdet as well
        self._model = init_model(settings, device="cpu")
        load_weights(self._model, weights, profile.config)
        fuse_conv_bn(self._model)  # normalisation joins the convolution before it: one pass less over each map
        self._model.to(self._device, memory_format=torch.channels_last)
        self._model.head.forward = _in_float32(self._model.head.forward)
        if profile.compile:
            key_cache_by_vector_width()
            self._model.backbone.compile()
        init_default_scope("mmpose")
        self._transforms = Compose(settings.test_dataloader.dataset.pipeline)
        self._batches = BatchRunner(_CPU_BATCH)
        if self._device.type == "cuda":
            width, height = settings.codec.input_size
            _, sample = self._plan((height, width), (0, 0, width, height))
            self._batches.size = find_batch_size(
                lambda rows: self._detect(np.zeros((rows, height, width, 3), np.uint8), sample)
            )

    def __call__(self, images: Iterable[np.ndarray], view: Box) -> np.ndarray:
        images = iter(images)
        first = next(images)
        warp, sample = self._plan(first.shape[:2], view)
        crops = map(warp, chain([first], images))
        keypoints: list[np.ndarray] = []
        for batch in prefetch(_stacks(crops, self._batches.size), _BATCHES_AHEAD):
            keypoints += self._batches.map(lambda part: self._detect(part, sample), batch)
        return np.concatenate(keypoints)

    def _plan(self, shape: tuple[int, ...], view: Box) -> tuple[Callable[[np.ndarray], np.ndarray], Any]:
        """What all frames [H,W] of a video share: the warp to the network's input [h,w], and mmpose's data sample."""
        from mmpose.structures.bbox import get_udp_warp_matrix, get_warp_matrix

        packed = self._transforms(
            {
                "img": np.zeros((*shape, 3), np.uint8),
                "bbox": np.array([view], np.float32),
                "bbox_score": np.ones(1, np.float32),
                **self._model.dataset_meta,
            }
        )["data_samples"]
        (affine,) = (t for t in self._transforms.transforms if type(t).__name__ == "TopdownAffine")
        size = packed.input_size
        matrix = (get_udp_warp_matrix if affine.use_udp else get_warp_matrix)(
            packed.input_center, packed.input_scale, 0.0, output_size=size
        )
        return lambda image: cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR), packed

    @torch.inference_mode()
    def _detect(self, crops: np.ndarray, sample: Any) -> np.ndarray:
        """uint8 RGB [N,h,w,3] -> float32 [N,133,3] in px of the frame."""
        inputs = upload(crops, self._device).permute(0, 3, 1, 2).flip(1)  # mmpose takes BGR, and normalises
        with autocast(self._device, self._precision):
            samples = self._model.test_step({"inputs": inputs, "data_samples": [sample.clone() for _ in crops]})
        people = [sample.pred_instances for sample in samples]  # one per frame
        return np.concatenate(
            [np.concatenate([p.keypoints, p.keypoint_scores[..., None]], axis=2) for p in people]
        ).astype(np.float32)


def _stacks(crops: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Images [h,w,3] -> stacks [N,h,w,3] with N = `size`; the last one has what remains."""
    crops = iter(crops)
    while batch := list(islice(crops, size)):
        yield np.stack(batch)


def _in_float32(forward: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The head's forward with its output in float32: mmpose decodes it with NumPy, which has no bfloat16."""

    def forward_in_float32(features: Any) -> Any:
        output = forward(features)
        return to_float32(output) if isinstance(output, Tensor) else tuple(map(to_float32, output))

    return forward_in_float32
