"""RGB features of a video by the Inception-I3D or by any recognizer of mmaction2, as rgb.<profile>.network says.

T frames of a clip, V windows, D features.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from seds.config import Params, RgbProfile
from seds.extraction.batching import BatchRunner, find_batch_size, lag_by_one, upload
from seds.extraction.extractor import Extraction, ExtractorSpec, Video
from seds.precision import autocast
from seds.recognizers.backbone import Clip, NetworkConfig, build, features, read_config
from seds.rgb import extractor as i3d
from seds.rgb.extractor import CPU_BATCH, FRAMES_AHEAD, limit_threads, sliding_windows
from seds.system.prefetch import prefetch
from seds.video import frames
from seds.video.boxes import clip_box, pixels
from seds.weightfiles import Checkpoint, find_checkpoint


def corpus_extractor(params: Params, dataset: str) -> ExtractorSpec:
    """How the RGB features of a corpus are extracted on this machine. Raises ConfigError, WeightFileError."""
    profile = params.rgb.of(params.profile(dataset))
    if profile.network is None:
        return i3d.corpus_extractor(params, dataset)
    return extractor_spec(profile, params.device())


def extractor_spec(profile: RgbProfile, device: str) -> ExtractorSpec:
    """The extractor of a profile that names a network, on "cpu" or "cuda". Raises ConfigError, WeightFileError."""
    assert profile.network is not None
    config = read_config(profile.network)
    profile = profile.on(device)
    checkpoint = None
    if profile.weights is not None:
        hint = f"mmaction2's model zoo has checkpoints of {config.name}; weights: null draws random ones"
        checkpoint = find_checkpoint(Path(profile.weights), profile.weights_sha256, hint)
    make = partial(make_extractor, profile, config, checkpoint)
    return ExtractorSpec("rgb", settings(profile, config, checkpoint), make, device)


def settings(profile: RgbProfile, config: NetworkConfig, checkpoint: Checkpoint | None) -> dict[str, str]:
    """What determines the features."""
    weights = (
        f"random, seed {profile.seed}" if checkpoint is None else f"{checkpoint.path.name} sha256 {checkpoint.sha256}"
    )
    return {
        "network": config.name,
        "config_sha256": config.sha256,
        "weights": weights,
        "stride": str(profile.stride),
        "window": str(config.clip.window),
        "precision": profile.precision,
        "compiled": str(profile.compile).lower(),
    }


def make_extractor(
    profile: RgbProfile, config: NetworkConfig, checkpoint: Checkpoint | None, device: str
) -> RecognizerExtractor:
    """The extractor on "cpu", "cuda" or "cuda:1", in the process that uses it. Raises WeightFileError."""
    limit_threads()
    recognizer = build(config, profile.seed, checkpoint.path if checkpoint else None)
    if profile.compile:
        recognizer.get_submodule("backbone").compile()
    return RecognizerExtractor(recognizer, config.clip, profile, device)


class RecognizerExtractor:
    """Video -> Extraction with "features" float16 [V,D] and "starts" int32 [V], the first raw frame of each window."""

    def __init__(self, recognizer: nn.Module, clip: Clip, profile: RgbProfile, device: str) -> None:
        self.device, self.clip = torch.device(device), clip
        self.recognizer = recognizer.eval().to(self.device)
        self.stride, self.precision = profile.stride, profile.precision
        self.batches = BatchRunner(CPU_BATCH)
        if self.device.type == "cuda":
            across, down = clip.crop or clip.size or (clip.short or 224,) * 2
            blank = [torch.zeros(down, across, 3, dtype=torch.uint8, device=self.device)] * clip.frames
            self.batches.size = find_batch_size(lambda count: self.features([blank] * count).cpu())

    def __call__(self, video: Video) -> Extraction:
        """Raises VideoError; ValueError for a box outside the frame or features that are not finite in float16."""
        starts: list[int] = []
        parts: list[Tensor] = []
        frame_count = 0
        for numbers, batch in lag_by_one(self._batches(video)):
            starts += [window.start for window in numbers]
            frame_count = numbers[-1].stop
            parts.append(batch.cpu())
        table = torch.cat(parts).numpy()
        if not np.isfinite(table).all():
            raise ValueError(f"{video.path}: some features are NaN or too large for float16; are the weights sound?")
        tensors = {"features": table, "starts": np.array(starts, np.int32)}
        return Extraction(tensors, frames=frame_count, rows=len(starts))

    def _batches(self, video: Video) -> Iterator[tuple[list[range], Tensor]]:
        """The frame numbers of each window of a batch, and their features [B,D] on the device."""
        images = (upload(image, self.device) for image in prefetch(self._prepared(video), FRAMES_AHEAD))
        windows = sliding_windows(images, self.clip.window, self.stride)
        while batch := list(islice(windows, self.batches.size)):
            yield from self.batches.map(self._with_numbers, batch)

    def _prepared(self, video: Video) -> Iterator[np.ndarray]:
        part = None
        for image in frames(video.path, video.start_s, video.end_s, video.fps):
            if part is None:
                part = pixels(clip_box(video.bbox, image.shape[1], image.shape[0]))
            yield self.clip.prepared(image[part])

    def _with_numbers(self, batch: Sequence[tuple[range, list[Tensor]]]) -> tuple[list[range], Tensor]:
        clips = [images[:: self.clip.interval] for _, images in batch]
        return [numbers for numbers, _ in batch], self.features(clips)

    @torch.inference_mode()
    def features(self, batch: Sequence[Sequence[Tensor]]) -> Tensor:
        """B clips of T frames uint8 [H,W,3] -> float16 [B,D], on the device; computed in `precision`."""
        clips = torch.stack([torch.stack(list(images)) for images in batch])
        with autocast(self.device, self.precision):
            return features(self.recognizer, clips, self.clip.format).half()
