"""The table of methods in docs/methods.md: what each costs, how well it does, and which ideas help on dev.

    dvc exp run --queue -n upret -S train.method=upret -S 'train.seeds=[42,43,44]' evaluate@demo    # and so on
    dvc queue start
    python benchmarks/methods.py table seds cico upret   # R@1 on test of experiments, mean and deviation
    python benchmarks/methods.py dev seds cico upret     # cross-entropy on dev, by which ideas are chosen
    python benchmarks/methods.py cost seds cico upret    # parameters, seconds a step, memory, of methods by name
    python benchmarks/methods.py cost -S train.ideas.caption_weight=1 seds

Names are those of experiments, or any commits of this repository. R@1 on the demo's dev is 100 for most, so what helps
is told there by the contrastive loss of the whole split (seds.retrieval.stream_weight.cross_entropy), at the scale of
the similarities that makes it least: label smoothing leaves them closer together, which says nothing of ranks. Steps of
several methods are taken in turn, so that another busy process slows all of them alike; the ratio is what counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from seds.system.threads import sleep_soon

sleep_soon()  # before torch is loaded

import numpy as np
from dvc.utils.hydra import apply_overrides

from seds.config import Params, load_params
from seds.data.split import Split, load_split
from seds.model import checkpoint
from seds.retrieval import inference
from seds.retrieval.metrics import DIRECTIONS
from seds.retrieval.stream_weight import cross_entropy
from seds.training import fitting
from seds.training.loop import Loop, recipes_of
from seds.training.signs import load_signs

CORPUS, ROUNDS = "demo", 12
SCALES = tuple(2 ** (step / 4) for step in range(-12, 13))  # of the similarities


def table(names: Sequence[str]) -> Iterator[str]:
    """A row of Markdown for each experiment: R@1 of the main stream both ways, and among substituted captions."""
    yield "| experiment | T2V R@1 | V2T R@1 | mean of both | among 40 substitutes, V2T R@1 |"
    yield "| --- " * 5 + "|"
    for name in names:
        with fetched(name, f"metrics/{CORPUS}/test.json") as path:
            test = json.loads(path.read_text(encoding="utf-8"))
        several = "seeds" in test
        models = list(test["seeds"]["each"].values()) if several else [test]
        main = next(iter(models[0]))
        both = [[model[main][direction]["R@1"] for direction in DIRECTIONS] for model in models]
        fine = test["fine_grained"]
        among = [one["R@1"][main] for one in (fine["seeds"]["each"].values() if several else [fine])]
        columns = [*zip(*both, strict=True), [fmean(pair) for pair in both], among]
        yield f"| {name} ({main}, {len(models)} seeds) | " + " | ".join(map(spread, columns)) + " |"


def dev(names: Sequence[str]) -> Iterator[str]:
    """The same of the cross-entropy on dev at the best scale, of every seed's model."""
    yield "| experiment | cross-entropy on dev | R@1 on dev, mean of both |"
    yield "| --- " * 3 + "|"
    params, splits = load_params(), {}
    for name in names:
        losses, recalls = [], []
        with fetched(name, f"models/{CORPUS}") as folder:
            for each in [folder, *sorted(folder.glob("seeds/*/"))]:
                model = checkpoint.load(each)
                key = model.sizes.streams
                if key not in splits:
                    splits[key] = load_split(CORPUS, "dev", params.rules(CORPUS), model.sizes, model.numerics)
                similarity = inference.score(model, splits[key])[model.streams[0]]
                losses.append(min(cross_entropy(scale * similarity, splits[key].sentence_of) for scale in SCALES))
                recorded = checkpoint.read_config(each)["provenance"]["dev"][model.streams[0]]
                recalls.append(fmean(recorded[direction]["R@1"] for direction in DIRECTIONS))
        yield f"| {name} | {spread(losses, 4)} | {spread(recalls)} |"


@contextmanager
def fetched(name: str, path: str) -> Iterator[Path]:
    """An output of an experiment, in a folder that is removed."""
    with tempfile.TemporaryDirectory() as scratch:
        there = Path(scratch) / Path(path).name
        subprocess.run(["dvc", "get", ".", path, "--rev", name, "-o", there, "-q"], check=True)
        yield there


def spread(values: Sequence[float], digits: int = 1) -> str:
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"


def cost(methods: Sequence[str], overrides: Sequence[str]) -> Iterator[str]:
    """Parameters in use and of training alone, seconds a step, as a ratio to the first method's, and peak memory."""
    running = [(method, *_loop(_params(method, overrides))) for method in methods]
    seconds: dict[str, list[float]] = {method: [] for method in methods}
    for _ in range(ROUNDS):
        for method, loop, batches in running:
            start = time.perf_counter()
            loop.step(*next(batches))
            seconds[method].append(time.perf_counter() - start)
    yield "| method | parameters | of training alone | seconds a step | ratio | memory (GB) |"
    yield "| --- " * 6 + "|"
    first = median(seconds[methods[0]][2:])
    for method, loop, _ in running:
        heads = 0 if loop.model.heads is None else sum(p.numel() for p in loop.model.heads.parameters())
        own = sum(p.numel() for p in loop.model.parameters()) - heads
        took = median(seconds[method][2:])
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            memory = pool.apply(peak, (method, list(overrides)))
        yield f"| {method} | {own:,} | {heads:,} | {took:.2f} | {took / first:.2f} | {memory:.2f} |"


def peak(method: str, overrides: Sequence[str]) -> float:
    """GB of resident memory, at most, of this process, which takes three steps."""
    loop, batches = _loop(_params(method, overrides))
    for _ in range(3):
        loop.step(*next(batches))
    # Not getrusage, whose maximum a process inherits from the one that starts it.
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e9


def _params(method: str, overrides: Sequence[str]) -> Params:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "params.yaml"
        shutil.copy("params.yaml", path)
        apply_overrides(path, [f"train.method={method}", *overrides])
        return load_params(path)


def _loop(params: Params) -> tuple[Loop, Iterator[tuple[np.ndarray, Any]]]:
    (recipe,) = recipes_of(params, CORPUS)
    train: Split
    train, held_out = (
        load_split(CORPUS, split, params.rules(CORPUS), recipe.profile.model, params.train.numerics)
        for split in ("train", "dev")
    )
    if params.train.ideas.sign_weight:
        recipe = replace(recipe, signs=load_signs(CORPUS, train, params.rules(CORPUS).window))
    model = fitting.build(train, recipe.settings, recipe.profile, recipe.seed, "cpu").train()

    def batches() -> Iterator[tuple[np.ndarray, Any]]:
        while True:
            generator = np.random.default_rng(0)
            yield from train.training_batches(recipe.profile.batch, recipe.settings.swap, generator)

    return Loop(model, train, held_out, recipe, None), batches()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "dev", "cost"))
    parser.add_argument("names", nargs="+", help="of experiments or commits; for cost, of methods")
    parser.add_argument("-S", dest="overrides", action="append", default=[], help="of params.yaml, for cost")
    arguments = parser.parse_args()
    rows = {"table": table, "dev": dev}.get(arguments.what)
    for row in rows(arguments.names) if rows else cost(arguments.names, arguments.overrides):
        print(row)
        sys.stdout.flush()


if __name__ == "__main__":
    main()
