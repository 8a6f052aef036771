"""A training step beside other busy processes, with OpenMP's threads as they come and as the project lets them wait.

    python benchmarks/busy_machine.py [--busy 0 2] [--steps 3] [--rounds 3]

The step is the demo's: profile small, 32 videos of 40 frames, with as many threads as there are cores. `default` is
what OpenMP does, `sleep soon` what seds.system.threads asks of it, `passive` the same without the short spin. Each
runs in a process of its own, and they take turns, so that whatever else the machine does slows down all. Seconds are a
process's median step; the ratio is of the medians over all rounds. The weights after the last step are compared bit
for bit. Busy processes have sessions of their own, like those of other terminals: Linux divides a core among sessions
first.

Found on two cores, seconds a step:
                                                                default    passive    sleep soon
    the cores to itself (at real-time priority)                 0.38       0.57       0.42
    beside 2 busy processes and nothing else                    22.7       1.0        0.95
    beside them and ten others, as this script measures         92         1.2        1.9          49.8 times
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from seds.system.threads import SLEEP_SOON

VIDEOS, FRAMES = 32, 40
SETTINGS = {"default": {}, "passive": {"OMP_WAIT_POLICY": "PASSIVE"}, "sleep soon": SLEEP_SOON}


def measure(steps: int) -> dict[str, object]:
    """Seconds of each step after a first one, the number of threads, and a digest of the weights at the end."""
    import torch
    from peak_memory import random_batch
    from torch import nn

    from seds.config import Losses, load_params
    from seds.model.initialisation import initialise
    from seds.model.seds import SEDS
    from seds.training import optim

    torch.manual_seed(0)
    sizes = load_params().train.small.model
    model = SEDS(sizes).train()
    initialise(model, torch.Generator().manual_seed(0))
    batch = random_batch(VIDEOS, FRAMES, sizes, "cpu")
    groups = optim.parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-4, 0.1, 0.001)
    optimiser = optim.BertAdam(groups)
    seconds = []
    for _ in range(1 + steps):
        start = time.perf_counter()
        optimiser.zero_grad()
        model(batch, Losses())["total"].backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        seconds.append(time.perf_counter() - start)
    digest = hashlib.sha256()
    for weight in model.state_dict().values():
        digest.update(weight.numpy().tobytes())
    return {"seconds": seconds[1:], "threads": torch.get_num_threads(), "weights": digest.hexdigest()}


def burn(parent: int) -> None:
    """Keep a core busy for as long as the process that asked for it lives."""
    os.setsid()
    while os.getppid() == parent:
        sum(range(1_000_000))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    spawn = multiprocessing.get_context("spawn")
    others = [spawn.Process(target=burn, args=(os.getpid(),), daemon=True) for _ in range(count)]
    for other in others:
        other.start()
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 2], help="numbers of busy processes to run beside")
    parser.add_argument("--steps", type=int, default=3, help="of each process, after a first one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--measure", action="store_true", help="measure in this process alone, and print JSON")
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.steps)))
        return
    outside = {name: value for name, value in os.environ.items() if name not in SLEEP_SOON}
    command = [sys.executable, __file__, "--measure", f"--steps={options.steps}"]
    for busy in options.busy:
        medians: dict[str, list[float]] = {name: [] for name in SETTINGS}
        weights = set()
        with busy_processes(busy):
            for _ in range(options.rounds):
                for name, setting in SETTINGS.items():
                    found = json.loads(subprocess.check_output(command, env=outside | setting))
                    medians[name].append(statistics.median(found["seconds"]))
                    weights.add(found["weights"])
                    print(f"{busy} busy, {found['threads']} threads, {name:<10} {medians[name][-1]:6.2f} s", flush=True)
        default, soon = (statistics.median(medians[name]) for name in ("default", "sleep soon"))
        same = "equal weights" if len(weights) == 1 else "OTHER WEIGHTS"
        print(f"{busy} busy: sleep soon is {default / soon:.2f} times as fast as default, {same}", flush=True)


if __name__ == "__main__":
    main()
