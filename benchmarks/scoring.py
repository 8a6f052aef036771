"""Similarities of a test set, in one pass against block pair by block pair with the fusion recomputed.

    python benchmarks/scoring.py                       scaling: 100 to 1,600 sentences with a video each
    python benchmarks/scoring.py --pair 642            both ways on the same tokens, turn by turn, and their difference
    python benchmarks/scoring.py --peak 2400           peak memory of a process that does nothing else

From the tokens of both towers (512 wide, 65 a video and 32 a sentence) to the scores of fusion, pose and RGB. Without
`--lengths phoenix` every sequence is full; with it lengths are like those of PHOENIX-2014T: 16 to 475 frames (median
105), 6 to 32 text tokens (median 17), and padding is skipped. The plain way is the published evaluation's: for every
block of 32 videos and every block of 32 sentences the fusion once more, then each direction's products and softmax by
itself.

In a pair the two ways take turns, 32 videos at a time, so that whatever else the machine does slows down both. `CPU` is
the processor time of all threads.

Found at 642 x 642, full, three streams, with two threads and little else at work: 29.8 s against 243.8, 8.2 times as
fast (CPU 55.1 s against 465.5); with one thread beside other work 8.4 times. The largest difference, unscaled, is
8.9e-8. Of a pair of blocks, 6.6 ms, the matrix product takes 5.7, at the rate of a large one. A process that only
compares 2,400 x 2,400 peaks at 1,088 MB. At PHOENIX-like lengths, likewise: 21.2 s against 237.0, 11.2 times.
Scaling, full: 100 x 100 take 2.0 s, of which the fusion is a large part, 200: 4.9, 400: 12.8, 800: 41.8 s and 918 MB.
"""

import argparse
import resource
import time

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from seds.config import ModelSizes
from seds.model.encoding import VIDEO_BATCH
from seds.model.fusion import MlpFusion
from seds.model.seds import fusion_of
from seds.model.similarity import Tokens, text_to_video, video_to_text
from seds.retrieval.scoring import Sentences

SIZES = ModelSizes()
BLOCK = 32  # videos and sentences, of the plain way
FULL = (1 + SIZES.max_windows, SIZES.max_words)


class Inputs:
    """Tokens of a set, made when asked for, so that memory holds what the ways themselves need."""

    def __init__(self, count: int, lengths: str) -> None:
        generator = np.random.default_rng(0)
        if lengths == "phoenix":
            frames = np.clip(generator.lognormal(np.log(105), 0.45, count), 16, 475).astype(int)
            kept = np.where(frames > 300, -(-frames // np.ceil(frames / 300)), frames).astype(int)
            videos = 1 + np.clip(kept - 15, 1, SIZES.max_windows)
            texts = np.clip(generator.lognormal(np.log(17), 0.4, count), 6, SIZES.max_words).astype(int)
        else:
            videos, texts = (np.full(count, length) for length in FULL)
        # By length, as seds.retrieval.inference takes the videos.
        self.videos, self.texts = torch.from_numpy(np.sort(videos)), torch.from_numpy(texts)
        self.count = count

    def sentences(self) -> Tokens:
        return _tokens(self.texts, FULL[1], 1)

    def streams(self, start: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pose and RGB tokens of VIDEO_BATCH videos, and which are real."""
        lengths = self.videos[start : start + VIDEO_BATCH]
        pose, rgb = (_tokens(lengths, int(lengths.max()), 2 + 2 * start + i) for i in range(2))
        return pose.values, rgb.values, pose.valid


def _tokens(lengths: Tensor, longest: int, seed: int) -> Tokens:
    generator = torch.Generator().manual_seed(seed)
    # A part that all share brings cosines near those of real tokens.
    values = torch.randn(len(lengths), longest, SIZES.embed, generator=generator) + 0.5
    return Tokens(values, torch.arange(longest) < lengths[:, None])


def one_pass(fusion: MlpFusion, sentences: Sentences, pose: Tensor, rgb: Tensor, valid: Tensor) -> dict[str, Tensor]:
    streams = {"fusion": fusion(pose, rgb, valid, sentences.masked), "pose": pose, "rgb": rgb}
    return {name: sentences.scores(Tokens(values, valid)) for name, values in streams.items()}


def block_pairs(
    fusion: MlpFusion, texts: Tokens, masked: bool, pose: Tensor, rgb: Tensor, valid: Tensor
) -> dict[str, Tensor]:
    columns: dict[str, list[Tensor]] = {"fusion": [], "pose": [], "rgb": []}
    for values, real in zip(texts.values.split(BLOCK), texts.valid.split(BLOCK), strict=True):
        words = Tokens(F.normalize(values, dim=-1), real)
        for name, tokens in (("fusion", fusion(pose, rgb, valid, masked)), ("pose", pose), ("rgb", rgb)):
            video = Tokens(F.normalize(tokens, dim=-1), valid)
            columns[name].append(0.5 * (video_to_text(video, words, masked) + text_to_video(video, words, masked)))
    return {name: torch.cat(blocks, 1) for name, blocks in columns.items()}


class Clock:
    """Seconds and processor seconds of what runs inside, added up."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter(), time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter() - self._start[0]
        self.cpu += time.process_time() - self._start[1]


def peak() -> float:
    """MB, of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@torch.inference_mode()
def measure(count: int, lengths: str, plain: bool) -> None:
    inputs, fusion = Inputs(count, lengths), fusion_of(SIZES).eval()
    ours, theirs = Clock(), Clock()
    masked = lengths != "full"  # as published, padding would take part
    texts = inputs.sentences()
    with ours:
        sentences = Sentences(texts, masked, "cpu")
    if not plain:
        del texts
    result = {name: torch.empty(count, count) for name in ("fusion", "pose", "rgb")}
    apart = 0.0
    for start in range(0, count, VIDEO_BATCH):
        videos = inputs.streams(start)
        with ours:
            for name, block in one_pass(fusion, sentences, *videos).items():
                result[name][start : start + VIDEO_BATCH] = block
        if plain:
            with theirs:
                expected = block_pairs(fusion, texts, masked, *videos)
            for name, block in expected.items():
                apart = max(apart, float((result[name][start : start + VIDEO_BATCH] - block).abs().max()))
    tokens = float(inputs.videos.sum()) * float(inputs.texts.sum()) / (count * count * FULL[0] * FULL[1])
    print(
        f"{count:>6} x {count:<6} {lengths:<8} {tokens:4.0%} of the products {ours.wall:8.1f} s, CPU {ours.cpu:8.1f} s"
        f", peak {peak():6.0f} MB",
        flush=True,
    )
    if plain:
        print(
            f"    block pairs {theirs.wall:.1f} s, CPU {theirs.cpu:.1f} s: {theirs.wall / ours.wall:.1f} times as long "
            f"(CPU {theirs.cpu / ours.cpu:.1f}); scores differ by {apart:.1e} at most",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", type=int, metavar="N")
    parser.add_argument("--peak", type=int, metavar="N")
    parser.add_argument("--lengths", choices=("full", "phoenix"), default="full")
    arguments = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    if arguments.pair:
        measure(arguments.pair, arguments.lengths, plain=True)
    elif arguments.peak:
        measure(arguments.peak, arguments.lengths, plain=False)
    else:
        for count in (100, 200, 400, 800, 1600):
            measure(count, arguments.lengths, plain=False)


if __name__ == "__main__":
    main()
