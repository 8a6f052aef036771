"""How fast batches are made, against SPEC 3-5 applied frame by frame, and how long a training step waits for them.

    python benchmarks/loader.py [--videos 1000] [--steps 2] [--part 16]

Makes a corpus of PHOENIX-2014T's lengths: 16 to 475 frames, 16 + a gamma variate of mean 99 and deviation 45, so a mean
of 115; both hands seen in most frames, RGB windows of 1024 features at every frame, sentences of about 14 words.

    prepared    once: hands and windows of every video, into mapped files
    ours        an epoch of batches of 128: joints, windows, RGB features, words swapped and tokenised, all padded
    per frame   tests/helpers/per_frame.py, the procedure that tests hold ours against bit for bit, padded alike. Of
    joints
                and windows alone: neither RGB features nor texts, which ours has in its time
    making      a batch of the published preset, 128 videos, with nothing else going on
    waiting     for such a batch while a thread makes it ahead, as training does: the time from asking for it to
                having it, before each of --steps steps

A step of the preset takes minutes on a CPU, so of each batch --part videos alone are trained on, in the preset's
micro-batches and precision. All but the optimiser's update grows at least with the number of videos, so the step is
given as the time of the part times 128 / part, plus the update. The loader has less time to work ahead than it would.

One process, one thread for the first three, which take turns; the best of each counts. Ratios are of processor time,
which depends on who else is at work only as far as memory and caches are shared: batches wait for memory more than
single frames do.

Found on two CPU cores of which another process used one, 400 videos, a second of the processor:
    prepared        695 videos
    ours           8306 samples
    per frame       141 samples, so ours is 59 times as fast; earlier 63 and 69, 28 to 47 with six others at work
    making          17 to 37 ms of the processor for a batch of 128
    waiting         20 ms of the clock before a step of 358 s
    step            208 s of the processor, from 16 videos in 26 s
    share           0.02 %: a two-hundredth of the 5 % that loading may take
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
import pandas as pd
import torch
from torch import nn

from seds import shards, tables
from seds.config import SampleRules, Train, TrainProfile, load_params
from seds.data.batches import Batch, feed
from seds.data.split import Split, load_split
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.precision import autocast
from seds.skeleton import BODY, JOINTS, LEFT_HAND, RIGHT_HAND
from seds.training import optim

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from helpers import per_frame
from helpers.batches import batch_rows

NAME, BATCH, ROUNDS = "lengths", 128, 3
RULES = SampleRules()
WIDTH, HEIGHT = 210, 260


def lengths(videos: int, generator: np.random.Generator) -> np.ndarray:
    shape = (99 / 45) ** 2
    return np.clip(16 + generator.gamma(shape, 99 / shape, videos), 16, 475).astype(int)


def make_corpus(root: Path, videos: int) -> None:
    """`root`/manifest, /pose, /rgb: the stages' own files."""
    generator = np.random.default_rng(0)
    words = ["".join(generator.choice(list("abcdefghiklmnoprstuw"), 2 + i % 7)) for i in range(1500)]
    features = generator.normal(size=(600, 1024)).astype(np.float16)
    rows, index = [], []
    for first in range(0, videos, 250):
        name = f"shard-{first // 250:05d}.safetensors"
        pose, rgb = {}, {}
        for number, frames in enumerate(lengths(min(250, videos - first), generator), first):
            video_id, count = f"video-{number:05d}", max(1, frames - 15)
            pose[video_id] = {"keypoints": signing(frames, generator)}
            at = int(generator.integers(0, len(features) - count))
            rgb[video_id] = {"features": features[at : at + count], "starts": np.arange(count, dtype=np.int32)}
            text = " ".join(generator.choice(words, max(3, generator.poisson(14))))
            rows.append({"video_id": video_id, "frames": frames, "text": text, "pose_shard": name, "rgb_shard": name})
            index.append((video_id, name, frames, frames, "ok", ""))
        shards.write_shard(root / "pose" / NAME / name, "pose", pose, {})
        shards.write_shard(root / "rgb" / NAME / name, "rgb", rgb, {"window": "16"})
    for kind in ("pose", "rgb"):
        shards.write_index(root / kind / NAME, pd.DataFrame(index, columns=list(tables.SHARD_INDEX.columns)))
    table = pd.DataFrame(rows)
    table = table.assign(
        dataset=NAME, sentence_id=table["video_id"], split="train", text_original=table["text"], language="en",
        signer="", path="", start_s=np.nan, end_s=np.nan, fps=25.0, width=WIDTH, height=HEIGHT, sha256="", status="ok",
        detail="", retained=1, windows=1, rgb_windows=1, left_visible=1.0, right_visible=1.0, usable=True, reason="",
    )  # fmt: skip
    tables.write(table, tables.MANIFEST, root / "manifest" / f"{NAME}.parquet")


def signing(frames: int, generator: np.random.Generator) -> np.ndarray:
    """float32 [frames,133,3]: a hand is well seen in nine frames of ten; in the others its box is guessed, or none."""
    keypoints = np.full((frames, JOINTS, 3), 0.9, np.float32)
    keypoints[..., :2] = generator.normal((105, 110), 15, (frames, JOINTS, 2))
    for hand, x in ((RIGHT_HAND, 70), (LEFT_HAND, 140)):
        middle = np.array([x, 150]) + np.cumsum(generator.normal(0, 2, (frames, 1, 2)), axis=0)
        keypoints[:, hand, :2] = middle + generator.normal(0, 10, (frames, 21, 2))
        keypoints[generator.random(frames) < 0.1, hand, 2] = 0.05
    keypoints[:, BODY, 2] = generator.choice([0.3, 0.9], (frames, 1), p=[0.1, 0.9])
    return keypoints


def ours(split: Split, seed: int) -> int:
    """Samples of an epoch."""
    return sum(len(batch.frames) for _, batch in split.training_batches(BATCH, 0.5, np.random.default_rng(seed)))


def by_frame(split: Split, pose: shards.ShardReader, videos: np.ndarray) -> int:
    """The same of some videos, as one batch of joints and windows."""
    samples = []
    for i in videos:
        (keypoints,) = pose.read(split.video_ids[i], ("keypoints",))
        samples.append(per_frame.sample(keypoints, WIDTH, HEIGHT, RULES))
    longest = max(len(sample["left"]) for sample in samples)
    for part in ("left", "right", "body"):
        np.stack([np.pad(s[part], ((0, longest - len(s[part])), (0, 0), (0, 0))) for s in samples])
    np.stack([np.pad(s["starts"], (0, 64 - len(s["starts"])), constant_values=-1) for s in samples])
    return len(samples)


def timed(run: Callable[[], int]) -> tuple[float, float]:
    """Samples a second, of the clock and of the processor."""
    wall, processor = time.perf_counter(), time.process_time()
    samples = run()
    return samples / (time.perf_counter() - wall), samples / (time.process_time() - processor)


def compare(split: Split, root: Path) -> None:
    pose = shards.ShardReader(root / "pose" / NAME, "pose")
    generator = np.random.default_rng(1)
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "per frame": []}
    ours(split, 0)  # files, and the words of the corpus
    for turn in range(ROUNDS):
        some = generator.choice(len(split.videos), 32, replace=False)
        found["per frame"].append(timed(lambda videos=some: by_frame(split, pose, videos)))
        found["ours"].append(timed(lambda seed=turn: ours(split, seed)))
    best = {name: np.max(speeds, axis=0) for name, speeds in found.items()}
    for name, (wall, processor) in best.items():
        print(f"{name:<11}{wall:9.0f} samples/s, {processor:7.0f} a second of the processor")
    print(f"ratio      {best['ours'][1] / best['per frame'][1]:9.0f}")


def waiting(split: Split, profile: TrainProfile, settings: Train, steps: int, part: int) -> None:
    """part: videos of each batch that are trained on."""
    device = torch.device("cpu")
    model = SEDS(profile.model).train()
    model.set_activation_checkpointing(profile.checkpointing, profile.micro_batch)
    initialise(model, torch.Generator().manual_seed(0))
    groups = optim.parameter_groups(
        model.clip_parameters(), model.other_parameters(), profile.lr, profile.lr_clip, settings.weight_decay
    )
    optimiser = optim.BertAdam(groups)

    def batches() -> Iterator[tuple[np.ndarray, Batch]]:
        return split.training_batches(profile.batch, settings.swap, np.random.default_rng(0))

    def gradients(batch: Batch) -> None:
        optimiser.zero_grad()
        with autocast(device, profile.precision):
            loss = model(batch_rows(batch, slice(part)), settings.losses)["total"]
        loss.backward()

    def update() -> None:
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        optimiser.step()

    alone = batches()
    making = [seconds(lambda: next(alone))[1] for _ in range(ROUNDS)]
    print(f"making     {', '.join(f'{1000 * one:.0f}' for one in making)} ms of the processor a batch", flush=True)
    fastest = float("inf")
    with closing(feed(batches(), device)) as made:
        for _ in range(steps):
            start = time.perf_counter()
            _, batch = next(made)
            waited = time.perf_counter() - start
            own, rest = seconds(partial(gradients, batch)), seconds(update)
            wall, processor = own * profile.batch / part + rest
            fastest = min(fastest, processor)
            print(f"waiting    {1000 * waited:.1f} ms of the clock before a step of {wall:.0f} s", flush=True)
            print(f"step       {processor:.0f} s of the processor, from {part} videos in {own[1]:.0f} s", flush=True)
    print(f"share      {max(making) / fastest:.4%} of a step's processor time makes its batch")


def seconds(run: Callable[[], object]) -> np.ndarray:
    """What it takes, of the clock and of the processor, all threads together."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return np.array([time.perf_counter() - wall, time.process_time() - processor])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=1000)
    parser.add_argument("--steps", type=int, default=2, help="of training; 0 = none")
    parser.add_argument("--part", type=int, default=16, help="videos of each batch that are trained on")
    options = parser.parse_args()
    settings, threads = load_params().train, torch.get_num_threads()
    profile = settings.published
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "data"
        make_corpus(root, options.videos)
        torch.set_num_threads(1)

        def prepare() -> int:
            return len(load_split(NAME, "train", RULES, profile.model, "default", root, workers=1).videos)

        wall, processor = timed(prepare)
        print(f"prepared   {wall:9.0f} videos/s,  {processor:7.0f} a second of the processor")
        split = load_split(NAME, "train", RULES, profile.model, "default", root)
        print(f"{len(split.videos)} videos of {split.frames.mean():.0f} retained frames (at most {split.frames.max()})")
        compare(split, root)
        torch.set_num_threads(threads)
        if options.steps:
            waiting(split, profile, settings, options.steps, options.part)


if __name__ == "__main__":
    main()
