"""How long a corpus of How2Sign's size takes to prepare and to join, and how much memory.

Makes 31,000 small real video files in How2Sign's layout (a few hundred different ones, hard-linked under all names) and
keypoints of realistic length (a mean of 150 frames, 7.4 GB), then runs the real stages in processes of their own:

    prepare, first       opens and hashes every file
    prepare, again       headers remembered in work/headers
    manifest, cold       keypoints dropped from the file cache before
    manifest, warm       and again
    one by one           manifest's measure of visibility video by video, as it is defined, for 1,000 videos

    python benchmarks/prepare_scale.py --folder /tmp/prepare_scale [--rows 31000] [--frames 150]

The folder is removed at the end unless --keep is given.

Found on two cores (of what a stage takes, the processors' time is the steadier):
    prepare, first     30.6 s,    39.8 s of processors,   877 MB
    prepare, again      7.1 s,     7.1 s of processors,   841 MB
    manifest, cold     30.9 s,    33.5 s of processors,   628 MB   of 7.3 GB, which the disk gave at 240 MB/s
    manifest, warm     18.3 s,    22.1 s of processors,   615 MB   of 7.3 GB
    one by one          0.7 s for 1000 videos
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pandas as pd

from seds import shards, tables
from seds.config import SampleRules
from seds.data import hands

ROOT = Path(__file__).parents[1]
COLUMNS = ["VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME", "START_REALIGNED", "END_REALIGNED", "SENTENCE"]
LINE = "%7.1f s, %7.1f s of processors, %5.0f MB"
NAME, DISTINCT, SHARD = "how2sign", 300, 250


def film(path: Path, frames: int, level: int) -> None:
    """A small H.264 clip whose bytes differ by `level`."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for i in range(frames):
            image = np.full((48, 64, 3), (level + i) % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def make_corpus(top: Path, rows: int) -> None:
    """data/raw/how2sign: the annotation files and the clips; data/rgb: the index, all that manifest reads of it."""
    root, clips = top / "data/raw" / NAME, top / "clips"
    clips.mkdir(parents=True)
    for i in range(DISTINCT):
        film(clips / f"{i}.mp4", 20, i)
    for split, share in (("train", 0.88), ("val", 0.05), ("test", 0.07)):
        folder = root / split / "raw_videos"
        folder.mkdir(parents=True)
        with (root / f"how2sign_realigned_{split}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, delimiter="\t")
            writer.writerow(COLUMNS)
            for i in range(int(rows * share)):
                name = f"{split}{i:06d}_0-{i % 9}-rgb_front"
                text = f"Sentence number {i} of {split}."
                writer.writerow([f"{split}{i:06d}", name, f"{split}{i:06d}_0", name, 0.5, 1.25, text])
                os.link(clips / f"{i % DISTINCT}.mp4", folder / f"{name}.mp4")


def make_keypoints(top: Path, frames: int) -> None:
    """Shards for every row of the videos table: noise around a body, hands seen in most frames."""
    videos = tables.read(top / f"data/videos/{NAME}.parquet", tables.VIDEOS, "prepare")
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(0.8 * frames), 0.65, len(videos)), 4, 1427).astype(int)
    pool = rng.uniform(0, 256, (4096, 133, 3)).astype(np.float32)
    pool[:, :, 2] = rng.uniform(0, 1, (4096, 1)) ** 0.5
    rows = []
    for first in range(0, len(videos), SHARD):
        name = f"shard-{first // SHARD:05d}.safetensors"
        tensors = {}
        for video_id, length in zip(videos["video_id"][first : first + SHARD], lengths[first:], strict=False):
            start = int(rng.integers(0, 4096 - length))
            tensors[video_id] = {"keypoints": pool[start : start + length]}
            rows.append((video_id, name, length, length, "ok", ""))
        shards.write_shard(top / "data/pose" / NAME / name, "pose", tensors, {})
    index = pd.DataFrame(rows, columns=list(tables.SHARD_INDEX.columns))
    for kind in ("pose", "rgb"):
        shards.write_index(top / "data" / kind / NAME, index)


def drop_from_cache(folder: Path) -> None:
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def run(top: Path, stage: str) -> tuple[float, float, float]:
    """Seconds, of them on processors, and peak resident memory (MB) of a stage in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", f"stages.{stage}", NAME], cwd=top, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{stage} failed with status {status}")
    return time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def one_by_one(top: Path, count: int) -> float:
    """Seconds to measure the visibility of `count` videos each by itself."""
    pose, rules = shards.ShardReader(top / "data/pose" / NAME, "pose"), SampleRules()
    start = time.perf_counter()
    for video_id in pose.index["video_id"][:count]:
        (keypoints,) = pose.read(video_id, ("keypoints",))
        hands.retain(keypoints, hands.Frame(64, 48), rules)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=31_000)
    parser.add_argument("--frames", type=int, default=150, help="mean length of the keypoints")
    parser.add_argument("--keep", action="store_true")
    args = parser.parse_args()
    top = args.folder
    top.mkdir(parents=True)
    try:
        shutil.copy(ROOT / "params.yaml", top)
        make_corpus(top, args.rows)
        for label in ("prepare, first", "prepare, again"):
            print(f"{label:<16}{LINE % run(top, 'prepare')}", flush=True)
        make_keypoints(top, args.frames)
        size = sum(path.stat().st_size for path in (top / "data/pose").rglob("*.safetensors"))
        drop_from_cache(top / "data/pose")
        for label in ("manifest, cold", "manifest, warm"):
            print(f"{label:<16}{LINE % run(top, 'manifest')}   of {size / 1e9:.1f} GB", flush=True)
        count = min(1000, args.rows)
        print(f"{'one by one':<16}{one_by_one(top, count):7.1f} s for {count} videos")
        print(f"peak memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    finally:
        if not args.keep:
            shutil.rmtree(top)


if __name__ == "__main__":
    main()
