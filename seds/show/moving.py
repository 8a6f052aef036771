"""The keypoints of a video as a moving picture, for corpora that have no videos to look at."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image

from seds.config import Manifest
from seds.messages import printable
from seds.show.contact_sheet import WIDTH, Corpus, PosedVideo, draw_frames, find_video
from seds.system.files import write_bytes

SUFFIX = ".webp"
MOST_FRAMES = 150  # of a longer video, frames are left out
_QUALITY = 60


def webp(video: PosedVideo, width: int, rules: Manifest) -> bytes:
    """An animated WebP, `width` px wide, that lasts as long as the video and repeats. Raises VideoError."""
    total = len(video.keypoints)
    numbers = np.unique(np.linspace(0, total - 1, min(total, MOST_FRAMES)).astype(int))
    ends = np.append(video.times[numbers[1:]], video.times[-1] + 1 / video.fps)
    shown_ms = np.maximum(1, np.rint(1000 * (ends - video.times[numbers]))).astype(int).tolist()
    first, *others = map(Image.fromarray, draw_frames(video, numbers.tolist(), width, rules))
    file = io.BytesIO()
    first.save(file, "WEBP", save_all=True, append_images=others, duration=shown_ms, loop=0, quality=_QUALITY)
    return file.getvalue()


def write_webp(corpus: Corpus, video_id: str, path: Path) -> str:
    """Write the moving picture of a video. Returns a line to print. Raises ShowError, ShardError, VideoError."""
    video = find_video(corpus, video_id)
    write_bytes(path, webp(video, min(WIDTH, 2 * video.width), corpus.rules))
    return f"{path}: {printable(video.text, 180)}"
