"""Time, peak memory and the share of each part of one training step.

    python benchmarks/training_step.py                              published sizes, 8 videos of 120 frames, float32
    python benchmarks/training_step.py --profile small --batch 32 --frames 40

Prints the whole step (forward, backward, clipping and optimiser), the peak of the resident set, and forward and
backward of each part run alone on inputs of the same shapes. Runs in this process, with torch's threads as they are.

Found on two CPU cores at published sizes: 9.3 s (forward 3.1, backward 5.9, update 0.3), 7.6 GB with the optimiser's
moments. The matrix products are 1,390 GFLOP, so it runs at 150 GFLOP/s over all; in products of these shapes alone the
same cores reach 100 to 170. Run alone, the pose encoder takes 51 % of the step's time, the RGB tower 23, the pose tower
21, the text tower 9, the fusion 5.
"""

import argparse
import resource
import time
from collections.abc import Callable

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import torch
from peak_memory import MB, random_batch
from torch import Tensor, nn

from seds.config import Losses, load_params
from seds.data.batches import Batch
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.training import optim


def timed(run: Callable[[], Tensor]) -> tuple[float, float]:
    """Seconds of the forward and of the backward pass of a scalar."""
    start = time.perf_counter()
    loss = run()
    middle = time.perf_counter()
    loss.backward()
    return middle - start, time.perf_counter() - middle


def parts(model: SEDS, batch: Batch) -> dict[str, Callable[[], Tensor]]:
    """The parts of the model, each as a scalar of its output on inputs that need gradients, as inside the step."""
    used = batch.window_starts >= 0
    valid = torch.cat([used.new_ones(len(used), 1), used], 1)
    with torch.no_grad():
        video = model.encode_video(batch)
        windows = model.pose_encoder(
            batch.left, batch.right, batch.body, batch.frames, batch.window_starts, padded=not model.masked
        )
    windows, pose, rgb = (
        tensor.detach().requires_grad_() for tensor in (windows, video.streams["pose"], video.streams["rgb"])
    )
    inputs = (batch.left, batch.right, batch.body, batch.frames, batch.window_starts)
    return {
        "pose encoder": lambda: model.pose_encoder(*inputs, padded=not model.masked).sum(),
        "pose tower": lambda: model.pose_tower(windows, valid).sum(),
        "rgb tower": lambda: model.rgb_tower(batch.rgb, valid).sum(),
        "text tower": lambda: model.text_tower(torch.cat([batch.ids, batch.ids_swapped])).sum(),
        "fusion": lambda: model.fusion(pose, rgb, valid, model.masked).sum(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", choices=("published", "small"), default="published")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--steps", type=int, default=3, help="the fastest counts")
    arguments = parser.parse_args()
    sizes = getattr(load_params().train, arguments.profile).model
    model = SEDS(sizes).train()
    initialise(model, torch.Generator().manual_seed(0))
    batch = random_batch(arguments.batch, arguments.frames, sizes, "cpu")
    optimiser = optim.BertAdam(
        optim.parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-4, 0.1, 0.001)
    )

    best = (float("inf"), 0.0, 0.0, 0.0)
    for _ in range(arguments.steps):
        optimiser.zero_grad()
        forward, backward = timed(lambda: model(batch, Losses())["total"])
        start = time.perf_counter()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        update = time.perf_counter() - start
        best = min(best, (forward + backward + update, forward, backward, update))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB
    total, forward, backward, update = best
    threads = torch.get_num_threads()
    print(f"{arguments.profile}, {arguments.batch} videos of {arguments.frames} frames, {threads} threads")
    print(
        f"step {total:.2f} s: forward {forward:.2f}, backward {backward:.2f}, update {update:.2f}; peak {peak:.0f} MB"
    )
    for name, run in parts(model, batch).items():
        there, back = min(timed(run) for _ in range(arguments.steps))
        print(f"  {name:<13} forward {there:6.2f} s, backward {back:6.2f} s, {(there + back) / total:5.0%} of the step")


if __name__ == "__main__":
    main()
