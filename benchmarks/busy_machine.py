"""A training step beside other busy processes, with threads that sleep while they wait and with threads that spin.

    python benchmarks/busy_machine.py [--busy 0 2] [--steps 3] [--rounds 3]

The step is the demo's: profile small, 32 videos of 40 frames, with OpenMP's threads as it starts them. `spinning` is
what OpenMP does by default, `asleep` what the project asks of it (seds.system.threads). Each runs in a process of its
own, and they take turns, so that whatever else the machine does slows down both. Seconds are the median step of each
round; the ratio is of the medians of all rounds. The weights after the last step are compared bit for bit.
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

from seds.system.threads import WAIT_ASLEEP

VIDEOS, FRAMES = 32, 40
SETTINGS = {"spinning": {}, "asleep": WAIT_ASLEEP}


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
    outside = {name: value for name, value in os.environ.items() if name not in (*WAIT_ASLEEP, "GOMP_SPINCOUNT")}
    command = [sys.executable, __file__, "--measure", f"--steps={options.steps}"]
    for busy in options.busy:
        medians: dict[str, list[float]] = {name: [] for name in SETTINGS}
        facts = set()
        with busy_processes(busy):
            for _ in range(options.rounds):
                for name, setting in SETTINGS.items():
                    found = json.loads(subprocess.check_output(command, env=outside | setting))
                    medians[name].append(statistics.median(found["seconds"]))
                    facts.add((found["threads"], found["weights"]))
        threads = sorted({threads for threads, _ in facts})
        print(f"{busy} busy processes beside, {threads} threads, weights {'equal' if len(facts) == 1 else 'DIFFER'}")
        for name, rounds in medians.items():
            print(
                f"  {name:<9} {statistics.median(rounds):7.2f} s a step; rounds: {' '.join(f'{s:.2f}' for s in rounds)}"
            )
        ratio = statistics.median(medians["spinning"]) / statistics.median(medians["asleep"])
        print(f"  asleep is {ratio:.2f} times as fast", flush=True)


if __name__ == "__main__":
    main()
