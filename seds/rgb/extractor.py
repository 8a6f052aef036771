"""RGB features of a video: each frame is decoded and preprocessed once, its windows go through the I3D in batches.

T frames of the window, V windows, S = `size` and C = `crop` in px, D features. SPEC 11 has the published values.

Where stage adapt has trained an encoder for the corpus, features are alpha times those of the given network plus
(1 - alpha) times those of the adapted one, both from the same frames; with alpha 0 or 1 only one network runs.

A thread decodes and resizes frames while the network runs. Each frame goes to the device once, as 8-bit SxS, however
many windows it is in, and is preprocessed there. Windows one or two frames apart also have results of the first layers
in common, which are computed once (seds.rgb.shared_stem).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seds.config import Contrast, Params, RgbProfile
from seds.extraction.batching import BatchRunner, find_batch_size, lag_by_one, upload
from seds.extraction.extractor import Extraction, ExtractorSpec, Video
from seds.precision import autocast, to_float32
from seds.rgb.adapted import find_adapted
from seds.rgb.i3d import InceptionI3D, average_pool, build_recognizer
from seds.rgb.shared_stem import SharedStem
from seds.rgb.weights import find_weights, initialise, load_checkpoint
from seds.rgb.windows import rgb_windows
from seds.system.compilation import key_cache_by_vector_width
from seds.system.memory import keep_freed_blocks
from seds.system.prefetch import prefetch
from seds.video import frames
from seds.video.boxes import clip_box, pixels
from seds.weightfiles import Checkpoint, WeightFileError

# Windows per forward pass. On one core at 112 px, a window takes 50 ms alone and 17 ms in a batch of 4 or 8, because
# PyTorch leaves small convolutions to a slower library. At 224 px it takes 830 and 660 ms, and a batch of 4 needs
# 0.35 GB. On a GPU the size is found by trial.
CPU_BATCH = 4
FRAMES_AHEAD = 32
# Up to this stride, windows share results of the first layers. On one core the published network at stride 1 takes 0.8
# times as long for it, the small one at its stride of 4 takes 0.98 times as long, and is left as it is.
SHARED_STRIDE = 2
MIDDLE = 7 / 8  # fraction of the resized frame that the crop's grid spans
MEAN = 0.5  # subtracted from colours in [0,1], which are not scaled otherwise
# Of local contrast: the cells that the crop's side is divided into, and what is added to colours in [0,1] before the
# logarithm, so that noise in the dark stays small.
CELLS, DARK = 14, 20 / 255


def corpus_extractor(params: Params, dataset: str) -> ExtractorSpec:
    """How the RGB features of a corpus are extracted on this machine. Raises as `extractor_spec` does, and
    WeightFileError where stage adapt has yet to run.
    """
    profile, folder = params.profile(dataset), Path("data/adapt") / dataset
    if params.adapt.of(profile).signs != "none" and not folder.is_dir():
        raise WeightFileError(f"{folder} not found; make it with: dvc repro adapt@{dataset}")
    return extractor_spec(params.rgb.of(profile), params.rgb.window, params.device(), find_adapted(folder))


def extractor_spec(profile: RgbProfile, window: int, device: str, adapted: Checkpoint | None = None) -> ExtractorSpec:
    """The extractor of a profile of params.yaml's section `rgb`, for windows of so many frames, on "cpu" or "cuda".

    adapted: the encoder of stage adapt; None = none, so that alpha counts as 1. The weights are looked up and hashed
    here, once. Raises WeightFileError.
    """
    profile = profile.on(device)
    if adapted is None or profile.alpha == 1:
        profile, adapted = profile.model_copy(update={"alpha": 1.0}), None
    checkpoint = find_weights(profile) if profile.alpha > 0 else None
    make = partial(make_extractor, profile, window, checkpoint, adapted=adapted)
    return ExtractorSpec("rgb", settings(profile, window, checkpoint, adapted), make, device)


def settings(
    profile: RgbProfile, window: int, checkpoint: Checkpoint | None, adapted: Checkpoint | None = None
) -> dict[str, str]:
    """What determines the features. checkpoint: None = random weights, or none at alpha 0; adapted: None = unused."""
    mix = {} if adapted is None else {"adapted": f"sha256 {adapted.sha256}", "alpha": f"{profile.alpha:g}"}
    if profile.alpha == 0:
        weights = "none, alpha 0"
    elif checkpoint is None:
        weights = f"random, seed {profile.seed}"
    else:
        weights = f"{checkpoint.path.name} sha256 {checkpoint.sha256}"
    return {
        "network": "InceptionI3D",
        "width": str(profile.width),
        "weights": weights,
        "size": str(profile.size),
        "crop": str(profile.crop),
        "stride": str(profile.stride),
        "window": str(window),
        "precision": profile.precision,
        "compiled": str(profile.compile).lower(),
        **({} if profile.contrast == "raw" else {"contrast": profile.contrast}),
        **mix,
    }


def make_extractor(
    profile: RgbProfile, window: int, checkpoint: Checkpoint | None, device: str, adapted: Checkpoint | None = None
) -> RgbExtractor:
    """The extractor on "cpu", "cuda" or "cuda:1", in the process that uses it. Raises WeightFileError.

    adapted: None = the given network alone, whatever alpha is.

    Limits the CPU work of that process to one thread, since there is one process per core.
    """
    limit_threads()
    keep_freed_blocks()  # at 224 px, a quarter faster
    alpha = 1.0 if adapted is None else profile.alpha
    given = [(alpha, recognizer_with(profile, checkpoint))] if alpha > 0 else []
    own = [(1 - alpha, recognizer_with(profile, adapted))] if alpha < 1 else []
    return RgbExtractor([*given, *own], profile, window, device)


def limit_threads() -> None:
    """One thread for the CPU work of this process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.set_flush_denormal(True)  # activations that fade towards zero would take the processor's slow path


def recognizer_with(profile: RgbProfile, checkpoint: Checkpoint | None) -> nn.Module:
    """The network with the weights of a checkpoint, or with random ones. Raises WeightFileError."""
    recognizer = build_recognizer(profile.width)
    network = cast(InceptionI3D, recognizer.backbone)
    if checkpoint is None:
        initialise(network, profile.seed)
    else:
        load_checkpoint(network, checkpoint.path)
    if profile.compile:
        key_cache_by_vector_width()
        network.compile()
    return recognizer


class RgbExtractor:
    """Video -> Extraction with "features" float16 [V,D] and "starts" int32 [V], the first raw frame of each window.

    recognizers: each with its share of the features; from `build_recognizer`, with their weights. Raises
    torch.OutOfMemoryError if not even one window fits.
    """

    def __init__(
        self, recognizers: Sequence[tuple[float, nn.Module]], profile: RgbProfile, window: int, device: str
    ) -> None:
        self.device = torch.device(device)
        # Channels last is faster on a CPU, and what the tensor cores of a GPU take.
        self.recognizers = [
            (share, recognizer.eval().to(self.device).to(memory_format=torch.channels_last_3d))
            for share, recognizer in recognizers
        ]
        self.size, self.crop, self.stride, self.window = profile.size, profile.crop, profile.stride, window
        self.precision, self.contrast = profile.precision, profile.contrast
        self.shares = profile.stride <= SHARED_STRIDE and not profile.compile  # what is compiled is the whole network
        self.batches = BatchRunner(CPU_BATCH)
        if self.device.type == "cuda":
            blank = [torch.zeros(3, self.crop, self.crop, device=self.device)] * window
            self.batches.size = find_batch_size(
                lambda count: self.features([blank] * count, range(count), self._stems()).cpu()
            )

    def __call__(self, video: Video) -> Extraction:
        """Raises VideoError; ValueError for a box outside the frame or features that are not finite in float16."""
        starts: list[int] = []
        features: list[Tensor] = []
        frame_count = 0
        for windows, batch in lag_by_one(self._batches(video)):
            starts += [window.start for window in windows]
            frame_count = windows[-1].stop
            features.append(batch.cpu())
        table = torch.cat(features).numpy()
        if not np.isfinite(table).all():
            raise ValueError(f"{video.path}: some features are NaN or too large for float16; are the weights sound?")
        tensors = {"features": table, "starts": np.array(starts, np.int32)}
        return Extraction(tensors, frames=frame_count, rows=len(starts))

    def _batches(self, video: Video) -> Iterator[tuple[list[range], Tensor]]:
        """The frame numbers of each window of a batch, and their features [B,D] on the device."""
        resized = prefetch(squares(video, self.size), FRAMES_AHEAD)
        crops = (contrasted(crop_middle(upload(square, self.device), self.crop), self.contrast) for square in resized)
        windows = sliding_windows(crops, self.window, self.stride)
        apply = partial(self._with_numbers, stems=self._stems())
        while batch := list(islice(windows, self.batches.size)):
            yield from self.batches.map(apply, batch)

    def _stems(self) -> list[SharedStem] | None:
        """For one video, those of the networks; None where windows share nothing."""
        if not self.shares:
            return None
        return [SharedStem(cast(InceptionI3D, recognizer.backbone)) for _, recognizer in self.recognizers]

    def _with_numbers(
        self, batch: Sequence[tuple[range, list[Tensor]]], stems: Sequence[SharedStem] | None
    ) -> tuple[list[range], Tensor]:
        numbers = [window for window, _ in batch]
        return numbers, self.features([crops for _, crops in batch], [window.start for window in numbers], stems)

    @torch.inference_mode()
    def features(
        self,
        batch: Sequence[Sequence[Tensor]],
        starts: Sequence[int] = (),
        stems: Sequence[SharedStem] | None = None,
    ) -> Tensor:
        """B windows of T frames float32 [3,C,C] -> rows [B,D] on the device, computed in `precision`.

        starts: the windows' first frames, which only stems needs: each network's, for all windows of a video in turn;
        None = each window by itself.
        """
        stacked = None
        mixed = None
        for i, (share, recognizer) in enumerate(self.recognizers):
            with autocast(self.device, self.precision):
                if stems is not None:
                    last_map = stems[i](starts, batch)
                    for layer in cast(InceptionI3D, recognizer.backbone).after_stem():
                        last_map = layer(last_map)
                else:
                    stacked = stack_windows(batch) if stacked is None else stacked
                    last_map = recognizer(stacked[:, None], mode="tensor")  # mmaction2's axis 1: one view per window
            pooled = average_pool(to_float32(last_map))
            part = pooled if share == 1 else share * pooled
            mixed = part if mixed is None else mixed + part
        assert mixed is not None
        return self.rows(mixed)

    def rows(self, pooled: Tensor) -> Tensor:
        """The features before they are rounded, float32 [B,D] -> what is kept of them: float16 [B,D]."""
        return pooled.half()


def stack_windows(batch: Sequence[Sequence[Tensor]]) -> Tensor:
    """B windows of T frames [3,C,C] -> [B,3,T,C,C], channels last in memory."""
    stacked = torch.stack([torch.stack(list(crops), dim=1) for crops in batch])
    return stacked.contiguous(memory_format=torch.channels_last_3d)


def squares(video: Video, size: int) -> Iterator[np.ndarray]:
    """The frames of a video, or the part of them in its box, resized to uint8 [S,S,3]."""
    part = None
    for image in frames(video.path, video.start_s, video.end_s, video.fps):
        if part is None:
            height, width = image.shape[:2]
            part = pixels(clip_box(video.bbox, width, height))
        yield resize_to_square(image[part], size)


def resize_to_square(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H,W,3] -> [S,S,3], in 8 bits, as the published system reads its resized frames from files.

    Where both sides shrink, a pixel is the mean of the area that it covers. OpenCV's bilinear mode looks at 4 pixels
    however many there are, so that fingers would flicker (at half the size the two modes are the same). Otherwise
    bilinear, since OpenCV's area mode does not interpolate when it enlarges.
    """
    mode = cv2.INTER_AREA if size <= min(image.shape[:2]) else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=mode)


def crop_middle(square: Tensor, crop: int) -> Tensor:
    """uint8 RGB [S,S,3] -> float32 [3,C,C] in [-0.5,0.5]: its middle 7/8, resampled (SPEC 11)."""
    # grid_sample counts from -1 to 1 between the pixels' outer edges: the middle 7/8 spans -7/8 to 7/8, in pixels
    # S/16 - 0.5 to S - S/16 - 0.5 (15.5 to 239.5 of 256).
    positions = torch.linspace(-MIDDLE, MIDDLE, crop, device=square.device)
    grid = torch.stack(torch.meshgrid(positions, positions, indexing="xy"), dim=-1)  # [C,C,2] of (x, y)
    colours = square.permute(2, 0, 1)[None].float() / 255  # [1,3,S,S]
    return F.grid_sample(colours, grid[None], mode="bilinear", align_corners=False)[0] - MEAN


def contrasted(frames: Tensor, contrast: Contrast) -> Tensor:
    """float32 [...,3,C,C] in [-0.5,0.5] -> what the network sees, of the same shape. raw: they themselves.

    local: half the logarithm of each colour over its mean nearby, in [-1,1]. Lines on dark skin then stand out as on
    fair skin, in any light. Means are those of overlapping squares of two cells a side, interpolated between.
    """
    if contrast == "raw":
        return frames
    logs = torch.log(frames + (MEAN + DARK)).reshape(-1, 1, *frames.shape[-2:])
    cell = max(2, frames.shape[-1] // CELLS) // 2 * 2
    padded = F.pad(logs, (cell // 2,) * 4, mode="replicate")
    means = F.interpolate(F.avg_pool2d(padded, 2 * cell, cell), size=frames.shape[-2:], mode="bilinear")
    return logs.sub_(means).mul_(0.5).clamp_(-1, 1).reshape(frames.shape)


def sliding_windows(frames: Iterable[Tensor], window: int, stride: int) -> Iterator[tuple[range, list[Tensor]]]:
    """The windows of `seds.rgb.windows.rgb_windows` over a stream of frames [3,C,C]. One window is in memory at a time.

    Yields (the numbers of the window's real frames, T frames). The numbers of the last window end at the number of
    frames. A stream shorter than a window is one window that repeats the last frame.
    """
    latest: deque[Tensor] = deque(maxlen=window)
    count = 0
    last_start = None
    for count, frame in enumerate(frames, start=1):
        latest.append(frame)
        start = count - window
        if start >= 0 and start % stride == 0:
            last_start = start
            yield range(start, count), list(latest)
    # Whether another window follows depends on the number of frames, which is known only now. It ends at the last one.
    start = int(rgb_windows(count, window, stride)[-1])
    if count and start != last_start:
        repeats = [latest[-1]] * (window - len(latest))
        yield range(start, count), [*latest, *repeats]
