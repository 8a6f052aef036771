"""RGB features of a video: every frame decoded and prepared once, windows of them through the I3D in batches.

T frames of the window, V windows, S = `size` and C = `crop` in px, D features. SPEC 11 has the published values.

A thread decodes and shrinks frames while the network runs. A frame goes to the device once, as 8-bit SxS, however many
windows it is in, and is prepared there. Windows one frame apart also share some of what the first layers compute, those
of their inner frames: computed once, it makes the published network 1.1 times as fast and the small one slower.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seds.config import RgbProfile
from seds.extraction.batching import BatchRunner, find_batch_size, lag_by_one, upload
from seds.extraction.extractor import Extraction, Video
from seds.precision import autocast, to_float32
from seds.rgb.i3d import InceptionI3D, average_pool, build_recognizer
from seds.rgb.weights import file_sha256, initialise, load_checkpoint
from seds.rgb.windows import rgb_windows
from seds.system.prefetch import prefetch
from seds.video import frames
from seds.video.boxes import clip_box, pixels

# Windows a forward pass. On a core at 112 px, 1 takes 50 ms, of 4 and of 8 each takes 17: PyTorch leaves small
# convolutions to a slower library. At 224 px, 830 and 660 ms, and 4 need 0.35 GB. On a GPU it is found by trial.
CPU_BATCH = 4
FRAMES_AHEAD = 32
MIDDLE = 7 / 8  # share of the resized frame that the crop's grid spans
MEAN = 0.5  # of the colours; they are not scaled


def describe(profile: RgbProfile, window: int) -> dict[str, str]:
    """What determines the features, for the shards' header. Raises WeightsError for a missing or another checkpoint."""
    if profile.weights is None:
        weights = f"random, seed {profile.seed}"
    else:
        weights = f"{Path(profile.weights).name} sha256 {file_sha256(profile.weights, profile.weights_sha256)}"
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
    }


def build_extractor(profile: RgbProfile, window: int, device: str) -> RgbExtractor:
    """The extractor of a profile on "cpu", "cuda" or "cuda:1"; called in the process that uses it, whose CPU work it
    limits to one thread, for there is a process a core. Raises WeightsError.
    """
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    torch.set_flush_denormal(True)  # activations that fade towards zero would take the slow path of the processor
    recognizer = build_recognizer(profile.width)
    network = cast(InceptionI3D, recognizer.backbone)
    if profile.weights is None:
        initialise(network, profile.seed)
    else:
        file_sha256(profile.weights, profile.weights_sha256)
        load_checkpoint(network, profile.weights)
    if profile.compile:
        network.compile()
    return RgbExtractor(recognizer, profile, window, device)


class RgbExtractor:
    """Video -> Extraction with "features" float16 [V,D] and "starts" int32 [V], the raw frame each window begins at.

    recognizer: of `build_recognizer`, with its weights. Raises torch.OutOfMemoryError where not even one window fits.
    """

    def __init__(self, recognizer: nn.Module, profile: RgbProfile, window: int, device: str) -> None:
        self.device = torch.device(device)
        # Channels last is faster on the CPU, and what tensor cores take on a GPU.
        self.recognizer = recognizer.eval().to(self.device).to(memory_format=torch.channels_last_3d)
        self.size, self.crop, self.stride, self.window = profile.size, profile.crop, profile.stride, window
        self.precision = profile.precision
        self.batches = BatchRunner(CPU_BATCH)
        if self.device.type == "cuda":
            clip = [torch.zeros(3, self.crop, self.crop, device=self.device)] * window
            self.batches.size = find_batch_size(lambda count: self.features([clip] * count).cpu())

    def __call__(self, video: Video) -> Extraction:
        """Raises VideoError, ValueError: a box outside the frame, features that are no finite float16."""
        places: list[tuple[int, int]] = []
        table = torch.cat([batch.cpu() for batch in lag_by_one(self._batches(self._clips(video, places)))]).numpy()
        if not np.isfinite(table).all():
            raise ValueError(f"{video.path}: features beyond float16 or not a number; are the weights sound?")
        starts, stops = zip(*places, strict=True)
        return Extraction({"features": table, "starts": np.array(starts, np.int32)}, frames=stops[-1], rows=len(starts))

    def _clips(self, video: Video, places: list[tuple[int, int]]) -> Iterator[list[Tensor]]:
        """The windows' frames, on the device; `places` receives their start and stop."""
        squares = prefetch(_squares(video, self.size), FRAMES_AHEAD)
        prepared = (middle(upload(square, self.device), self.crop) for square in squares)
        for start, stop, clip in clips(prepared, self.window, self.stride):
            places.append((start, stop))
            yield clip

    def _batches(self, windows: Iterator[list[Tensor]]) -> Iterator[Tensor]:
        while batch := list(islice(windows, self.batches.size)):
            yield from self.batches.map(self.features, batch)

    @torch.inference_mode()
    def features(self, batch: Sequence[Sequence[Tensor]]) -> Tensor:
        """B windows of T frames float32 [3,C,C] -> float16 [B,D], on the device; computed in `precision`."""
        stacked = torch.stack([torch.stack(list(clip), dim=1) for clip in batch])  # [B,3,T,C,C]
        stacked = stacked.contiguous(memory_format=torch.channels_last_3d)
        with autocast(self.device, self.precision):
            last_map = self.recognizer(stacked[:, None], mode="tensor")  # mmaction2's axis 1: one view a window
        return average_pool(to_float32(last_map)).half()


def _squares(video: Video, size: int) -> Iterator[np.ndarray]:
    """The frames of a video, or its box's part of them, shrunk to uint8 [S,S,3]."""
    part = None
    for image in frames(video.path, video.start_s, video.end_s, video.fps):
        if part is None:
            height, width = image.shape[:2]
            part = pixels(clip_box(video.bbox, width, height))
        yield square(image[part], size)


def square(image: np.ndarray, size: int) -> np.ndarray:
    """uint8 [H,W,3] -> [S,S,3], 8-bit as the published system reads its resized frames from files.

    Where both sides shrink, a pixel is the mean of the area it covers: OpenCV's bilinear mode looks at 4 pixels however
    many there are, and fingers would flicker (at a half, the two modes are one). Else bilinear, which area averaging is
    not when enlarging.
    """
    mode = cv2.INTER_AREA if size <= min(image.shape[:2]) else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=mode)


def middle(square: Tensor, crop: int) -> Tensor:
    """uint8 RGB [S,S,3] -> float32 [3,C,C] in [-0.5,0.5]: its middle 7/8 resampled (SPEC 11)."""
    # grid_sample counts from -1 to 1 over the pixels' outer edges: the middle 7/8 spans -7/8 to 7/8, in pixels
    # S/16 - 0.5 to S - S/16 - 0.5 (15.5 to 239.5 of 256).
    places = torch.linspace(-MIDDLE, MIDDLE, crop, device=square.device)
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), dim=-1)  # [C,C,2] of (x, y)
    colours = square.permute(2, 0, 1)[None].float() / 255  # [1,3,S,S]
    return F.grid_sample(colours, grid[None], mode="bilinear", align_corners=False)[0] - MEAN


def clips(prepared: Iterable[Tensor], window: int, stride: int) -> Iterator[tuple[int, int, list[Tensor]]]:
    """The windows of `seds.rgb.windows.rgb_windows` over a stream of frames [3,C,C]; one window of them is kept in
    memory.

    Yields (start, stop, T frames), stop = one past the window's last real frame; the last one's is the number of
    frames. A stream shorter than a window is one clip that repeats the last frame.
    """
    kept: deque[Tensor] = deque(maxlen=window)
    count = 0
    latest = None
    for count, frame in enumerate(prepared, start=1):
        kept.append(frame)
        start = count - window
        if start >= 0 and start % stride == 0:
            latest = start
            yield start, count, list(kept)
    # Whether another window follows depends on the number of frames, known only now; it ends at the last of them.
    last = int(rgb_windows(count, window, stride)[-1])
    if count and last != latest:
        repeats = [kept[-1]] * (window - len(kept))
        yield last, count, [*kept, *repeats]
