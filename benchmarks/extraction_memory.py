"""Peak memory of one extraction worker on a 10-minute video (1280x720, 25 fps), and whether it grows with the length.

    python benchmarks/extraction_memory.py                        # every extractor, over the part SECONDS gives it
    python benchmarks/extraction_memory.py rtmw-l --seconds 600 --fps 5   # one of them, over the whole video

Each extractor runs as in a worker of the stage, on the CPU, in a process of its own; weights are random, since memory
does not depend on them. I3D takes a window every 20 s, to be done in minutes. "built" is the resident set before the
first frame, "peak" its highest. "growth" is how much it rises from the second quarter of the video to the last, per
minute of video, sampled every 50 ms; over a short part, a warm-up rather. What an estimator must keep are the keypoints
themselves, 2.4 MB a minute. The limit is 1500 MB.

Found: rtmw-l 1389 MB over 3,000 frames of all 10 minutes, growing by 0.3 MB a minute of video (before
seds.system.memory it crept to 1600 MB in 1,800 frames, which 12 s of video had not shown), i3d-published 1183 MB over
all 10 minutes, i3d-small 743 MB over 4 minutes, mediapipe 508 MB over 12 s.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seds.extraction.extractor import Extractor

MINUTES, WIDTH, HEIGHT = 10, 1280, 720
FPS = 25
LIMIT_MB = 1500
WINDOW_EVERY_S = 20
RTMW = "rtmw-l_8xb320-270e_cocktail14-384x288"
SECONDS = {"i3d-small": 600, "i3d-published": 600, "mediapipe": 60, "rtmw-l": 12}


def write_video(path: Path, fps: int) -> None:
    """A rendered signer who signs a sentence to and fro."""
    import av
    import numpy as np

    from seds.config import load_params
    from seds.demo.corpus import plan, render_take

    frames, _, _ = render_take(plan(load_params().render)[0], fps, HEIGHT)
    side = (WIDTH - HEIGHT) // 2
    wide = [np.pad(frame, ((0, 0), (side, side), (0, 0)), mode="edge") for frame in frames]
    with av.open(str(path), "w") as container:
        # Without frames that refer forward, so that the packets of one pass can follow those of another.
        stream = container.add_stream("libx264", rate=fps, options={"tune": "zerolatency"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        images = (av.VideoFrame.from_ndarray(frame, format="rgb24") for frame in wide + wide[::-1])
        packets = [packet for image in images for packet in stream.encode(image)]
        for i, packet in enumerate(islice(cycle(packets), MINUTES * 60 * fps)):
            copy = av.Packet(bytes(packet))
            copy.stream, copy.pts, copy.dts, copy.time_base = stream, i, i, Fraction(1, fps)
            copy.is_keyframe = packet.is_keyframe
            container.mux(copy)


def random_rtmw(folder: Path) -> Path:
    """A checkpoint of the published size, as mmpose saves one."""
    import torch

    from seds.extraction.openmmlab import fill_import_gaps
    from seds.pose.mmpose_weights import config_path

    fill_import_gaps()
    from mmengine import Config
    from mmpose.apis import init_model

    config = Config.fromfile(config_path(RTMW))
    config.model.backbone.init_cfg = None
    config.model.backbone._scope_ = "mmpose"
    model = init_model(config, device="cpu")
    path = folder / "random.pth"
    torch.save({"state_dict": model.state_dict(), "meta": {"dataset_meta": model.dataset_meta}}, path)
    return path


def builder(name: str, weights: Path, fps: int) -> Callable[[], Extractor]:
    from seds.config import load_params

    if name.startswith("i3d"):
        from seds.rgb.extractor import extractor_spec as rgb_spec

        rgb = load_params().rgb
        profile = rgb.small if name == "i3d-small" else rgb.published
        profile = profile.model_copy(update={"weights": None, "stride": WINDOW_EVERY_S * fps})
        return rgb_spec(profile, rgb.window, "cpu").make
    from seds.pose.estimators import extractor_spec as pose_spec

    if name == "mediapipe":
        return pose_spec(load_params().pose.small, "cpu").make
    profile = load_params().pose.published.model_copy(update={"config": RTMW, "weights": str(weights)})
    return pose_spec(profile, "cpu").make


def measure(name: str, seconds: float, fps: int, path: Path, weights: Path) -> None:
    from seds.extraction.extractor import Video

    extractor = builder(name, weights, fps)()
    built, built_peak = memory_mb("VmRSS"), memory_mb("VmHWM")
    video = Video("a", str(path), None, seconds, MINUTES * 60 * fps, float(fps), WIDTH, HEIGHT, "")
    start = time.perf_counter()
    with resident_sets() as samples:
        found = extractor(video)
    spent = time.perf_counter() - start
    quarter = len(samples) // 4
    second, last = (sum(part) / quarter for part in (samples[quarter : 2 * quarter], samples[-quarter:]))
    growth = (last - second) / (found.frames / fps / 60 / 2)  # their middles are half the video apart
    peak = memory_mb("VmHWM")
    verdict = "within" if peak <= LIMIT_MB else "ABOVE"
    print(
        f"{name:<14}{found.frames:>6} frames in {spent:4.0f} s   built {built:5.0f} MB (peak {built_peak:5.0f})   "
        f"peak {peak:5.0f} MB, {verdict} {LIMIT_MB}   growth {growth:+6.1f} MB a minute of video",
        flush=True,
    )


@contextmanager
def resident_sets() -> Iterator[list[float]]:
    """The resident set (MB) of this process, sampled while it lasts."""
    samples: list[float] = []
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(0.05):
            samples.append(memory_mb("VmRSS"))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def memory_mb(field: str) -> float:
    """A line of the kernel's account of this process. Unlike getrusage's, it begins anew with the program."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=list(SECONDS), metavar="|".join(SECONDS))
    parser.add_argument("--seconds", type=float, help="of the video")
    parser.add_argument(
        "--fps", type=int, default=FPS, help="of the video; fewer, where a network takes a second a frame"
    )
    parser.add_argument("--files", type=Path, nargs=2, help=argparse.SUPPRESS)  # in the child: video, weights
    arguments = parser.parse_args()
    if arguments.files:
        measure(arguments.names[0], arguments.seconds, arguments.fps, *arguments.files)
        return
    with tempfile.TemporaryDirectory() as folder:
        path, weights = Path(folder) / "long.mp4", Path(folder) / "none"
        write_video(path, arguments.fps)
        if "rtmw-l" in arguments.names:
            weights = random_rtmw(Path(folder))
        for name in arguments.names:
            seconds = arguments.seconds or SECONDS[name]
            child = [sys.executable, __file__, name, "--seconds", str(seconds), "--fps", str(arguments.fps)]
            child += ["--files", str(path), str(weights)]
            subprocess.run(child, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
