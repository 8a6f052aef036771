"""Peak memory of a training step as a function of the micro-batch, with and without activation checkpointing.

    python benchmarks/peak_memory.py --batch 128 --frames 150 --micro 4 8 16 32 0             published sizes, on a GPU
    python benchmarks/peak_memory.py --profile small --batch 64 --frames 80 --micro 1 8 32 0  on a CPU, in two minutes

    ... --checkpointing                                              layers keep their inputs alone
    (seds.model.recompute)

Prints, for each micro-batch (0 = the whole batch at once), what forward and backward pass need beyond the weights: the
activations, and the gradients, as large as the weights. The optimiser's moments, twice that, come on top. Each
is measured in a process of its own: on the GPU by torch's allocator, on the CPU by the resident set.

Found on a CPU, in float32, MB:
                                      kept     checkpointing    micro-batch         both
    small, 64 videos of 80 frames     1813     687              16: 510             477
    published, 12 videos of 64        2109     1627             4: 1635             1636    (1159 are gradients)
    published pose encoder, 4 of 100   590     483              483                 483
What neither shrinks further is the pose encoder, whose batch statistics couple all rows: under 1 MB a frame.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import torch

from seds.config import Losses, ModelSizes, load_params
from seds.data.batches import Batch
from seds.model.initialisation import initialise
from seds.model.seds import SEDS

MB = 2**20


def random_batch(videos: int, frames: int, sizes: ModelSizes, device: str) -> Batch:
    """Videos of equal length with as many windows as the model takes of it, and sentences of full length."""
    generator = torch.Generator().manual_seed(0)
    windows = min(sizes.max_windows, frames - sizes.window + 1)
    starts = torch.linspace(0, frames - sizes.window, windows).long().expand(videos, -1)
    ids = torch.randint(1, sizes.vocabulary - 1, (videos, sizes.max_words), generator=generator)
    ids[:, -1] = sizes.vocabulary - 1
    left, right, body = (256 * torch.rand(videos, frames, joints, 2, generator=generator) for joints in (21, 21, 7))
    rgb = torch.randn(videos, windows, sizes.rgb_features, generator=generator)
    return Batch(left, right, body, torch.full((videos,), frames), starts, rgb, ids, ids).to(device)


def measure(
    sizes: ModelSizes, videos: int, frames: int, micro_batch: int | None, part: str, device: str, checkpointing: bool
) -> tuple[float, float]:
    """MB above what a step has to begin with, and seconds. part: the whole step, or the pose encoder's alone."""
    model = SEDS(sizes)
    initialise(model, torch.Generator().manual_seed(0))
    model.to(device).train().set_activation_checkpointing(checkpointing, micro_batch)
    batch = random_batch(videos, frames, sizes, device)
    before = peak(device)
    start = time.perf_counter()
    with torch.autocast("cuda", torch.bfloat16, enabled=device == "cuda"):
        if part == "pose":
            inputs = (batch.left, batch.right, batch.body, batch.frames, batch.window_starts)
            loss = model.pose_encoder(*inputs, padded=False).square().mean()
        else:
            loss = model(batch, Losses())["total"]
    loss.backward()
    return peak(device) - before, time.perf_counter() - start


def peak(device: str) -> float:
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--profile", choices=("small", "published"), default="published", help="of params.yaml")
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--micro", type=int, nargs="+", required=True, help="0 = the whole batch at once")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--part", choices=("step", "pose"), default="step")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if len(options.micro) > 1:
        # Large blocks go back to the system at once, so that the resident set follows what is in use.
        env = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
        print(f"{options.batch} videos of {options.frames} frames, {options.profile} {options.part}, {options.device}")
        for micro in options.micro:
            same = [f"--{name}={getattr(options, name)}" for name in ("profile", "batch", "frames", "part", "device")]
            same += ["--checkpointing"] * options.checkpointing
            subprocess.run([sys.executable, __file__, *same, f"--micro={micro}"], check=True, env=env)
        return
    (micro,) = options.micro
    sizes = getattr(load_params().train, options.profile).model
    memory, seconds = measure(
        sizes, options.batch, options.frames, micro or None, options.part, options.device, options.checkpointing
    )
    how = ", checkpointing" * options.checkpointing
    print(f"micro-batch {micro or 'none':>4}{how}: {memory:8.0f} MB {seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
