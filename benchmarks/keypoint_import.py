"""How fast keypoint files of others are imported, and in how much memory.

Makes .pose files of 60 frames and 178 points (MediaPipe without most of its face, as sentences of the DGS Corpus are
shared), imports them with a table, and reports seconds of a processor and peak memory beyond that of the imports.

    python benchmarks/keypoint_import.py --folder /tmp/keypoint_import [--files 1000 4000]

The folder is removed at the end.

Found; a row of the table takes 4 kB:
       500 files    0.9 s     567 per s    72 MB
     2,000 files    2.8 s     703 per s    79 MB
     6,000 files    8.2 s     733 per s    96 MB
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from seds.imports.keypoints import import_keypoints

FRAMES, SIZE = 60, 512
ARMS = [f"{side}_{part}" for part in ("SHOULDER", "ELBOW", "WRIST", "HIP") for side in ("LEFT", "RIGHT")]
COMPONENTS = (
    ("POSE_LANDMARKS", ARMS),
    ("FACE_LANDMARKS", [str(i) for i in range(128)]),
    ("LEFT_HAND_LANDMARKS", [str(i) for i in range(21)]),
    ("RIGHT_HAND_LANDMARKS", [str(i) for i in range(21)]),
)  # fmt: skip


def header() -> bytes:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value)) + value.encode()

    parts = [struct.pack("<fHHHH", 0.2, SIZE, SIZE, 0, len(COMPONENTS))]
    for name, points in COMPONENTS:
        parts += [text(name), text("XYZC"), struct.pack("<HHH", len(points), 0, 0), *map(text, points)]
    return b"".join(parts) + struct.pack("<fIH", 25, FRAMES, 1)


def make(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    points = sum(len(names) for _, names in COMPONENTS)
    start, generator = header(), np.random.default_rng(0)
    confidence = np.ones((FRAMES, points), "<f4").tobytes()
    rows = ["path,text,split"]
    for i in range(count):
        data = generator.uniform(0, SIZE, (FRAMES, points, 3)).astype("<f4")
        (folder / f"{i}.pose").write_bytes(start + data.tobytes() + confidence)
        rows.append(f"{i},Sentence number {i}.,{('train', 'train', 'train', 'dev', 'test')[i % 5]}")
    (folder / "videos.csv").write_text("\n".join(rows), encoding="utf-8")


def measure(folder: Path) -> None:
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    done = import_keypoints("benchmark", folder / "from", folder / "to")
    seconds = time.process_time() - start
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    count = int((done.videos["status"] == "ok").sum())
    print(f"{count:6,} files {seconds:6.1f} s {count / seconds:7,.0f} per s {memory:5.0f} MB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--files", type=int, nargs="+", default=[1_000, 4_000])
    parser.add_argument("--measure", action="store_true")
    arguments = parser.parse_args()
    if arguments.measure:
        measure(arguments.folder)
        return
    try:
        for count in arguments.files:
            folder = arguments.folder / str(count)
            make(folder / "from", count)
            command = [sys.executable, __file__, "--folder", str(folder), "--measure"]
            subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
            shutil.rmtree(folder)
    finally:
        shutil.rmtree(arguments.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
