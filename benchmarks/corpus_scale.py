"""What a large corpus takes of disk, of processors and of a search: a table from rates, and a search simulated at size.

    python benchmarks/corpus_scale.py                                   the table of docs/scale.md
    python benchmarks/corpus_scale.py --rtmw-gpu 900 --i3d-gpu 700      with what `make gpu` found, in frames/s
    python benchmarks/corpus_scale.py --simulate 1200000                a search among as many videos, in several files

Rates of a CPU core are measured (benchmarks/extraction_speed.py). Those of a GPU are assumed until one has run `make
gpu`: 500 frames/s for RTMW-l and 300 windows/s for the I3D. Frames are taken at 25 a second and published sizes: a
window every frame, 64 windows a sentence, three streams of 512. Workers of Ray do not wait for each other, so hours are
divided by their number, plus the share of one that decodes its last video.

The simulated index has the shape of a real one: pooled vectors at random, tokens in files with holes, which take no
disk and are read as zeros. So the first pass and the exact scores do all their work, but no disk is waited for.

docs/scale.md has what was found, with one thread beside much other work.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import torch

from seds.index.joined import join
from seds.index.store import Sequences
from seds.search.first_pass import Ranker
from seds.search.ranking import Query

FPS, JOINTS, FEATURES, EMBED, STREAMS, WINDOWS = 25, 133, 1024, 512, 3, 64
CPU_RTMW_S, CPU_I3D_S = 0.222, 0.241  # of a core, a frame and a window
SHARD = 51_200  # index.shard_videos
GPUS = (1, 8, 64)


@dataclass(frozen=True)
class Corpus:
    """sentences: of how2sign and bobsl as published; of youtube-sl-25 as many an hour as bobsl has."""

    name: str
    hours: float
    sentences: int

    @property
    def frames(self) -> float:
        return self.hours * 3600 * FPS


CORPORA = (
    Corpus("How2Sign", 80, 35_000),
    Corpus("BOBSL", 1_400, 1_200_000),
    Corpus("YouTube-SL-25", 3_000, 2_570_000),
)


def pose_bytes(corpus: Corpus) -> float:
    return corpus.frames * JOINTS * 3 * 4


def rgb_bytes(corpus: Corpus) -> float:
    """float16 features and the int32 start of a window every frame, but for the last 15 of a sentence."""
    return (corpus.frames - 15 * corpus.sentences) * (FEATURES * 2 + 4)


def index_bytes(corpus: Corpus) -> float:
    """Of a video: tokens, their mean, times, offset and count."""
    tokens = 1 + WINDOWS
    return corpus.sentences * (STREAMS * (tokens * EMBED * 2 + EMBED * 4) + tokens * 8 + 16)


def extraction_hours(corpus: Corpus, rtmw: float, i3d: float) -> tuple[float, float]:
    """Of one device, from frames and windows a second."""
    return corpus.frames / rtmw / 3600, corpus.frames / i3d / 3600


def table(rtmw_gpu: float, i3d_gpu: float) -> str:
    rows = [["", *(f"{c.name} ({c.hours:,.0f} h)" for c in CORPORA)]]

    def add(name: str, values: list[str]) -> None:
        rows.append([name, *values])

    add("sentences", [f"{c.sentences:,}" for c in CORPORA])
    add("frames, millions", [f"{c.frames / 1e6:,.0f}" for c in CORPORA])
    add("keypoints, GB", [f"{pose_bytes(c) / 1e9:,.0f}" for c in CORPORA])
    add("I3D features, GB", [f"{rgb_bytes(c) / 1e9:,.0f}" for c in CORPORA])
    add("index, GB", [f"{index_bytes(c) / 1e9:,.1f}" for c in CORPORA])
    add("index, files", [f"{-(-c.sentences // SHARD)}" for c in CORPORA])
    add("first pass in memory, GB a stream", [f"{c.sentences * EMBED * 2 / 1e9:,.2f}" for c in CORPORA])
    cpu = [extraction_hours(c, 1 / CPU_RTMW_S, 1 / CPU_I3D_S) for c in CORPORA]
    add("core-years, pose + RGB", [f"{pose / 8766:,.1f} + {rgb / 8766:,.1f}" for pose, rgb in cpu])
    gpu = [extraction_hours(c, rtmw_gpu, i3d_gpu) for c in CORPORA]
    add("GPU-hours, pose + RGB", [f"{pose:,.0f} + {rgb:,.0f}" for pose, rgb in gpu])
    for count in GPUS:
        add(f"hours on {count} GPU{'s' * (count > 1)}", [f"{sum(both) / count:,.1f}" for both in gpu])
    rows.insert(1, ["---"] * len(rows[0]))
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def simulate(videos: int, folder: Path, queries: int, candidates: int) -> None:
    generator, tokens = np.random.default_rng(0), 1 + WINDOWS
    pooled, stored = [], []
    start = time.perf_counter()
    for at in range(0, videos, SHARD):
        count = min(SHARD, videos - at)
        vectors = np.memmap(folder / f"pooled-{at}", np.float32, "w+", shape=(count, EMBED))
        vectors[:] = generator.standard_normal((count, EMBED), np.float32) / EMBED**0.5
        pooled.append(torch.from_numpy(vectors))
        holes = np.memmap(folder / f"tokens-{at}", np.float16, "w+", shape=(count * tokens, EMBED))
        stored.append(torch.from_numpy(holes))
    offsets = torch.arange(videos + 1) * tokens
    sequences = Sequences(join(stored), join(pooled), offsets, torch.full((videos,), tokens))
    print(f"{videos:,} videos in {len(stored)} files, made in {time.perf_counter() - start:.0f} s")
    ranker = Ranker(sequences, 0.5, 1, candidates)
    made = [torch.nn.functional.normalize(torch.randn(12, EMBED), dim=1) for _ in range(queries)]
    start = time.perf_counter()
    ranker.best(Query(made[0], 12), 10)
    print(f"the first search, which reads all pooled vectors: {time.perf_counter() - start:.1f} s")
    whole, first = [], []
    for query in (Query(words, 12) for words in made):
        start = time.process_time()
        ranker.first_pass(query, candidates)
        first.append(1000 * (time.process_time() - start))
        start = time.process_time()
        ranker.best(query, 10)
        whole.append(1000 * (time.process_time() - start))
    print(f"a search: {np.median(whole):.0f} ms of the processor, the first pass {np.median(first):.0f} of them")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtmw-gpu", type=float, default=500.0, help="frames/s of one GPU")
    parser.add_argument("--i3d-gpu", type=float, default=300.0, help="windows/s of one GPU")
    parser.add_argument("--simulate", type=int, metavar="VIDEOS")
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--candidates", type=int, default=1000)
    parser.add_argument("--scratch", type=Path, default=None, help="a folder with room for 2 KB a video")
    arguments = parser.parse_args()
    if arguments.simulate:
        with tempfile.TemporaryDirectory(dir=arguments.scratch) as folder:
            simulate(arguments.simulate, Path(folder), arguments.queries, arguments.candidates)
    else:
        print(table(arguments.rtmw_gpu, arguments.i3d_gpu))


if __name__ == "__main__":
    main()
