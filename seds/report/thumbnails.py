"""A few frames of a video at its own cut, small, for pages."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from seds.timing import duration_s
from seds.video import VideoError, frames
from seds.video.boxes import clip_box, parse_box, pixels
from seds.video.cuts import cut_bounds


def thumbnails(video: Any, count: int, width: int) -> list[np.ndarray]:
    """Up to `count` frames in the middles of equal parts, `width` px wide or their own; uint8 [H,W,3] RGB.

    video: a row (of itertuples) of the videos table; where it has a box around the signer, that is shown. Raises
    VideoError, for a video of which only the features exist, too.
    """
    if not video.path:
        raise VideoError("no video was released, only its features")
    start, end = cut_bounds(video.start_s, video.end_s)
    cut = start is not None or end is not None
    total = max(1, int(duration_s(video) * video.fps + 1e-6)) if cut else video.frames
    numbers = np.unique(((np.arange(count) + 0.5) * total / count).astype(int))
    wanted, images = set(numbers.tolist()), []
    for number, image in enumerate(frames(video.path, start, end, video.fps)):
        if number in wanted:
            part = image[pixels(clip_box(parse_box(video.bbox), image.shape[1], image.shape[0]))]
            images.append(_small(part, width))
        if number >= numbers[-1]:
            return images
    if cut and images:  # of a rate that varies, a part may have fewer frames than the mean says
        return images
    raise VideoError(f"{video.path}: has fewer than {total} frames: it changed since it was read; run: dvc repro")


def _small(image: np.ndarray, width: int) -> np.ndarray:
    scale = width / image.shape[1]
    if scale >= 1:
        return image
    return cv2.resize(image, (width, max(1, round(image.shape[0] * scale))), interpolation=cv2.INTER_AREA)
