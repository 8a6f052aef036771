"""Searching simulated galleries of any size: how long, how much memory, and how much of the exact answer is found.

    python benchmarks/galleries.py --videos 10000 100000                 published width, 64 windows a video
    python benchmarks/galleries.py --videos 1000000 --width 128 --windows 22

Needs index/demo (dvc repro index@demo), from whose main stream the videos are made, so that they lie among each other
and to the sentences as real ones do. A simulated video is made of one to three real ones, each for a stretch of its
windows, with a shift from half the covariance root of the real videos' means, and noise from half that of windows about
their video's mean, correlated over time. Beyond the model's width of 128 an isometry takes them and the queries: the
same cosines at the price of the larger width. `--spread` multiplies what windows deviate from their video's mean, for
models whose windows differ more. Queries are sentences of the demo corpus.

Latency is of seds.search.first_pass.Ranker, one query at a time, files in the page cache, text already encoded. Recall
is of the ten videos that scoring everything finds. Everything is written to --scratch and removed from there.

Found with one thread while another process used the other core, 40 queries; ms are p50 and p95:

    10,000 videos of 65 tokens of 512, 0.7 GB on disk, 22 MB of memory of its own
        candidates   100      4     5     recall 0.995
                     300     10    13            1.000
                    1000     33    48            1.000
    100,000 likewise, 6.9 GB, all of it mapped, 98 MB; scoring everything takes 1.3 s
        candidates   100     10    12     recall 0.963
                     300     17    20            0.985
                    1000     38    47            0.995
    1,000,000 of 23 tokens of 128, 6.4 GB, 6.1 mapped, 244 MB; scoring everything takes 1.5 s
        candidates   100     14    15     recall 0.893
                     300     16    19            0.970
                    1000     21    28            0.983
    10,000 videos whose windows deviate 2.5 times as much, beside much other work, 30 queries
        candidates   100     11    16     recall 0.983
                     300     29    36            1.000
"""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import torch
from safetensors import safe_open
from scipy.signal import lfilter

from seds.index.row_writer import RowWriter
from seds.index.store import Sequences, open_index
from seds.model.similarity import TEMPERATURE
from seds.search.first_pass import Ranker
from seds.search.ranking import Query

CHUNK = 1_000  # videos made at a time
MEMORY = 0.95  # of the noise, from a window to the next


class Maker:
    """Draws videos like those of an index: [n, 1 + windows, width] float32, each token of length 1."""

    def __init__(self, sequences: Sequences, windows: int, width: int, spread: float) -> None:
        self.windows, self.spread = windows, spread
        real = [tokens.float().numpy() for tokens in sequences.tokens.split(sequences.offsets.diff().tolist())]
        self.classes = np.stack([tokens[0] for tokens in real])
        self.paths = np.stack([_stretched(tokens[1:], windows) for tokens in real])  # [videos,windows,D]
        means = self.paths.mean(1, keepdims=True)
        within = np.concatenate([tokens[1:] - tokens[1:].mean(0) for tokens in real])
        self.paths = means + spread * (self.paths - means)
        size = real[0].shape[1]
        self.between, self.within = (_root(np.cov(points.T)) for points in (means[:, 0], spread * within))
        basis = np.linalg.qr(np.random.default_rng(0).standard_normal((width, size)))[0]  # orthonormal columns
        self.isometry = basis.T.astype(np.float32)

    def draw(self, count: int, generator: np.random.Generator) -> np.ndarray:
        sources = generator.integers(len(self.paths), size=(count, 3))
        cuts = np.sort(generator.integers(0, self.windows + 1, size=(count, 2)), axis=1)
        cuts[generator.random((count, 2)) < 0.5] = self.windows  # one to three stretches
        part = (np.arange(self.windows) >= np.sort(cuts, axis=1)[..., None]).sum(1)  # [count,windows], 0..2
        chosen = np.take_along_axis(sources, part, 1)
        tokens = np.empty((count, 1 + self.windows, self.paths.shape[2]), np.float32)
        tokens[:, 1:] = self.paths[chosen, np.arange(self.windows)]
        tokens[:, 0] = self.classes[chosen].mean(1)
        noise = generator.standard_normal(tokens.shape, np.float32)
        noise = lfilter([np.sqrt(1 - MEMORY**2)], [1, -MEMORY], noise, axis=1).astype(np.float32)
        shift = generator.standard_normal((count, 1, tokens.shape[2]), np.float32)
        tokens += 0.5 * (shift @ self.between + noise @ self.within)
        tokens /= np.linalg.norm(tokens, axis=2, keepdims=True)
        return tokens @ self.isometry


def _stretched(path: np.ndarray, length: int) -> np.ndarray:
    """[n,D] -> [length,D], by linear interpolation."""
    places = np.linspace(0, len(path) - 1, length)
    low = np.minimum(places.astype(int), max(0, len(path) - 2))
    share = (places - low)[:, None]
    return (path[low] * (1 - share) + path[np.minimum(low + 1, len(path) - 1)] * share).astype(np.float32)


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return ((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T).astype(np.float32)


def write(path: Path, maker: Maker, videos: int, generator: np.random.Generator) -> None:
    """As seds.index.build lays a stream out."""
    length = 1 + maker.windows
    with RowWriter(path, {}) as file:
        for at in range(0, videos, CHUNK):
            tokens = maker.draw(min(CHUNK, videos - at), generator)
            file.append("tokens", tokens.reshape(-1, tokens.shape[2]).astype(np.float16))
            file.append("pooled", tokens.mean(1))
        file.append("offsets", np.arange(videos + 1, dtype=np.int64) * length)
        file.append("valid", np.full(videos, length, np.int64))


def read(path: Path) -> Sequences:
    with safe_open(path, framework="pt") as file:
        return Sequences(*(file.get_tensor(name) for name in ("tokens", "pooled", "offsets", "valid")))


def exact(stored: Sequences, queries: list[Query], k: int) -> list[set[int]]:
    """The k best of each query, everything scored; all queries' words in one matrix product, which is far quicker."""
    words = torch.cat([query.tokens for query in queries])  # [W,D]
    owner = torch.zeros(len(words), len(queries))  # 1 where a word is of the query
    owner[torch.arange(len(words)), torch.arange(len(queries)).repeat_interleave(_counts(queries))] = 1
    values = torch.empty(len(stored), len(queries))
    length = int(stored.offsets[1])
    for at in range(0, len(stored), 64):
        cosines = stored.tokens[at * length : (at + 64) * length].float() @ words.T  # [64 length,W]
        weights = torch.exp(cosines / TEMPERATURE)
        weighted = cosines * weights
        window_picks = ((weighted @ owner) / (weights @ owner)).view(-1, length, len(queries)).mean(1)
        sums = [part.view(-1, length, len(words)).sum(1) for part in (weighted, weights)]
        word_picks = (sums[0] / sums[1]) @ owner / _counts(queries)
        values[at : at + 64] = (window_picks + word_picks) / 2
    return [set(column.topk(k).indices.tolist()) for column in values.T]


def _counts(queries: list[Query]) -> torch.Tensor:
    return torch.tensor([query.valid for query in queries])


def resident() -> tuple[float, float]:
    """MB of this process: its own, and mapped from files."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    own, mapped = (int(lines[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile"))
    return own, mapped


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--spread", type=float, default=1.0)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--candidates", type=int, nargs="+", default=[100, 300, 1000])
    parser.add_argument("--scratch", type=Path, default=None, help="a folder with room; default: the system's")
    arguments = parser.parse_args()

    index = open_index("demo")
    generator = np.random.default_rng(0)
    maker = Maker(index.video_tokens[index.header.streams[0]], arguments.windows, arguments.width, arguments.spread)
    texts = index.sentence_tokens.tokens.split(index.sentence_tokens.offsets.diff().tolist())
    isometry = torch.from_numpy(maker.isometry)
    drawn = generator.choice(len(texts), arguments.queries, replace=False)
    queries = [Query(texts[i].float() @ isometry, len(texts[i])) for i in drawn]
    sample = maker.draw(CHUNK, np.random.default_rng(1))
    means = sample.mean(1)
    between, within = means.var(0).sum(), (sample - means[:, None]).var((0, 1)).sum()
    spread = f"variance between videos {between:.2f}, within {within:.2f}"
    print(f"{spread}; {_counts(queries).float().mean():.1f} words a query")
    for videos in arguments.videos:
        folder = Path(tempfile.mkdtemp(dir=arguments.scratch))
        try:
            measure(folder, maker, videos, queries, arguments.candidates, generator)
        finally:
            shutil.rmtree(folder)


def measure(
    folder: Path,
    maker: Maker,
    videos: int,
    queries: list[Query],
    candidates: list[int],
    generator: np.random.Generator,
) -> None:
    path = folder / "videos.safetensors"
    start = time.perf_counter()
    write(path, maker, videos, generator)
    made = time.perf_counter() - start
    stored = read(path)
    before, _ = resident()
    ranker = Ranker(stored, 0.5, 1, max(candidates))
    start = time.perf_counter()
    for query in queries[:10]:
        ranker.best(query, 10)
    ready = time.perf_counter() - start
    size = path.stat().st_size
    print(
        f"\n{videos:,} videos of {1 + maker.windows} tokens of {stored.tokens.shape[1]}: {size / 1e9:.2f} GB on disk, "
        f"made in {made:.0f} s; first ten searches {ready:.1f} s"
    )
    found = {}
    for count in candidates:
        ranker.candidates = count
        wall, cpu, found[count] = [], [], []
        for query in queries:
            start, used = time.perf_counter(), time.process_time()
            rows, _ = ranker.best(query, 10)
            wall.append(1000 * (time.perf_counter() - start))
            cpu.append(1000 * (time.process_time() - used))
            found[count].append(set(rows.tolist()))
        p50, p95 = np.percentile(wall, [50, 95])
        print(
            f"{count:>8} candidates: p50 {p50:6.1f} ms, p95 {p95:6.1f} ms, processor {np.median(cpu):6.1f} ms",
            flush=True,
        )
    first = []
    for query in queries:
        start = time.perf_counter()
        ranker.first_pass(query, max(candidates))
        first.append(1000 * (time.perf_counter() - start))
    own, mapped = resident()
    print(f"first pass alone: p50 {np.median(first):.1f} ms; memory {own - before:.0f} MB, and {mapped:.0f} MB mapped")
    start = time.perf_counter()
    right = exact(stored, queries, 10)
    seconds = time.perf_counter() - start
    for count, sets in found.items():
        recall = np.mean([len(a & b) / 10 for a, b in zip(sets, right, strict=True)])
        print(f"{count:>8} candidates: recall of the exact top 10 {recall:.4f}")
    print(f"scoring everything: {1000 * seconds / len(queries):.0f} ms a query, of {len(queries)} together")


if __name__ == "__main__":
    main()
