"""RGB features of a video: every frame decoded and prepared once, windows of them through the I3D in batches.

T frames of the window, V windows, S = `size` and C = `crop` in px, D features. SPEC 11 has the published values.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seds.config import RgbProfile
from seds.extract import Extraction, Video
from seds.rgb.i3d import InceptionI3D, average_pool, build_recognizer
from seds.rgb.weights import file_sha256, initialise, load_checkpoint
from seds.video import frames
from seds.windows import rgb_windows

# Windows a forward pass. On a core at 112 px, 1 takes 50 ms, of 4 and of 8 each takes 17: PyTorch leaves small
# convolutions to a slower library. At 224 px, 830 and 660 ms, and 4 need 0.35 GB.
BATCH = {"cpu": 4, "cuda": 32}
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
    }


def build_extractor(profile: RgbProfile, window: int, device: str) -> RgbExtractor:
    """The extractor of a profile on "cpu" or "cuda"; called in the process that uses it, whose CPU work it limits to
    one thread, for there is a process a core. Raises WeightsError.
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
    return RgbExtractor(recognizer, profile, window, device)


class RgbExtractor:
    """Video -> Extraction with "features" float16 [V,D] and "starts" int32 [V], the raw frame each window begins at.

    recognizer: of `build_recognizer`, with its weights.
    """

    def __init__(self, recognizer: nn.Module, profile: RgbProfile, window: int, device: str) -> None:
        # Channels last is faster on the CPU, and what tensor cores take on a GPU.
        self.recognizer = recognizer.eval().to(device).to(memory_format=torch.channels_last_3d)
        self.size, self.crop, self.stride, self.window = profile.size, profile.crop, profile.stride, window
        self.device = torch.device(device)

    def __call__(self, video: Video) -> Extraction:
        """Raises VideoError (seds.video), and ValueError where a feature is no finite float16."""
        prepared = (prepare(f, self.size, self.crop) for f in frames(video.path, video.start_s, video.end_s))
        starts: list[int] = []
        features: list[np.ndarray] = []
        batch: list[Tensor] = []
        decoded = 0
        for start, decoded, clip in clips(prepared, self.window, self.stride):  # noqa: B007  the last is their number
            starts.append(start)
            batch.append(clip)
            if len(batch) == BATCH[self.device.type]:
                features.append(self.features(torch.stack(batch)))
                batch.clear()
        if batch:
            features.append(self.features(torch.stack(batch)))
        table = np.concatenate(features)
        if not np.isfinite(table).all():
            raise ValueError(f"{video.path}: features beyond float16 or not a number; are the weights sound?")
        return Extraction({"features": table, "starts": np.array(starts, np.int32)}, decoded, len(starts))

    @torch.inference_mode()
    def features(self, batch: Tensor) -> np.ndarray:
        """float32 [B,3,T,C,C] -> float16 [B,D]. On a GPU computed in the float16 that is stored, else in float32."""
        batch = batch.to(self.device, memory_format=torch.channels_last_3d)
        with torch.autocast(self.device.type, torch.float16, enabled=self.device.type == "cuda"):
            last_map = self.recognizer(batch[:, None], mode="tensor")  # mmaction2's axis 1: one view a window
            return average_pool(last_map).to("cpu", torch.float16).numpy()


def prepare(frame: np.ndarray, size: int, crop: int) -> Tensor:
    """uint8 [H,W,3] RGB -> float32 [3,C,C] in [-0.5,0.5]: resized to SxS, its middle 7/8 resampled (SPEC 11).

    The resized frame is 8-bit, as the published system reads it from a file. Where both sides shrink, a pixel is the
    mean of the area it covers: OpenCV's bilinear mode looks at 4 pixels however many there are, and fingers would
    flicker (at a half, the two modes are one). Else bilinear, which area averaging is not when enlarging.
    """
    mode = cv2.INTER_AREA if size <= min(frame.shape[:2]) else cv2.INTER_LINEAR
    square = torch.from_numpy(cv2.resize(frame, (size, size), interpolation=mode))
    # grid_sample counts from -1 to 1 over the pixels' outer edges: the middle 7/8 spans -7/8 to 7/8, in pixels
    # S/16 - 0.5 to S - S/16 - 0.5 (15.5 to 239.5 of 256).
    places = torch.linspace(-MIDDLE, MIDDLE, crop)
    grid = torch.stack(torch.meshgrid(places, places, indexing="xy"), dim=-1)  # [C,C,2] of (x, y)
    colours = square.permute(2, 0, 1)[None].float() / 255  # [1,3,S,S]
    return F.grid_sample(colours, grid[None], mode="bilinear", align_corners=False)[0] - MEAN


def clips(prepared: Iterable[Tensor], window: int, stride: int) -> Iterator[tuple[int, int, Tensor]]:
    """The windows of `seds.windows.rgb_windows` over a stream of frames [3,C,C]; one window of them is kept in memory.

    Yields (start, stop, [3,T,C,C]), stop = one past the window's last real frame; the last one's is the number of
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
            yield start, count, torch.stack(list(kept), dim=1)
    # Whether another window follows depends on the number of frames, known only now; it ends at the last of them.
    last = int(rgb_windows(count, window, stride)[-1])
    if count and last != latest:
        repeats = [kept[-1]] * (window - len(kept))
        yield last, count, torch.stack([*kept, *repeats], dim=1)
