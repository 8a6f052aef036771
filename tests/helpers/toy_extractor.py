"""A cheap extractor for real processes: what a video does to its worker is written in the file. See toy_runs."""

import hashlib
import os
import signal
import time
from pathlib import Path

import numpy as np

from seds.extraction.extractor import Extraction, Video
from seds.video import VideoError

LATIN_NAME = b"caf\xe9.png"


class Toy:
    """Writes down each video it begins, with its device and process; does what the file's words say."""

    def __init__(self, log: Path, device: str) -> None:
        self.log, self.device = log, device

    def __call__(self, video: Video) -> Extraction:
        words = Path(video.path).read_text().split()
        with self.log.open("a") as file:
            file.write(f"{video.video_id} {self.device} {os.getpid()}\n")
        if "slow" in words:
            time.sleep(0.3)
        if "bad" in words:
            raise VideoError(f"{video.path}: truncated")
        if "latin" in words:
            raise VideoError(f"{video.path}: {os.fsdecode(LATIN_NAME)}: damaged")
        if "hungry" in words:
            raise MemoryError
        if "odd" in words:
            raise RuntimeError("odd")
        if "vanish" in words:
            Path(video.path).unlink()
        if "change" in words:
            Path(video.path).write_text("another")
        if "kill" in words or ("once" in words and self.seen(video) < 2):
            os.kill(os.getpid(), signal.SIGKILL)
        if "group" in words:
            os.killpg(os.getpgid(0), signal.SIGKILL)
        if "interrupt" in words and self.seen(video) < 2:
            time.sleep(0.3)  # what came before is stored meanwhile
            os.kill(os.getppid(), signal.SIGINT)
            time.sleep(30)
        seed = int(hashlib.sha256(" ".join(words).encode()).hexdigest(), 16)
        tensor = np.random.default_rng(seed).normal(size=(video.frames, 2)).astype(np.float32)
        return Extraction({"keypoints": tensor}, video.frames, video.frames)

    def seen(self, video: Video) -> int:
        return begun(self.log).count(video.video_id)


def make_broken(device: str) -> Toy:
    raise FileNotFoundError("weights.pth not found")


def make_dying(device: str) -> Toy:
    os._exit(3)


def begun(log: Path) -> list[str]:
    """Ids of the videos begun, in order."""
    return [line.split()[0] for line in log.read_text().splitlines()] if log.exists() else []
