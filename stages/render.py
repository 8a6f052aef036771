"""Render the demo corpus into data/raw/demo."""

from __future__ import annotations

from pathlib import Path

from seds.config import load_params
from seds.demo.corpus import write_corpus
from seds.system.commands import run_stage

FOLDER = Path("data/raw/demo")


def main() -> None:
    params = load_params()
    annotations = write_corpus(params.render, FOLDER, params.machine.workers)
    print(f"{FOLDER}: " + ", ".join(f"{n} {split} videos" for split, n in annotations["split"].value_counts().items()))


if __name__ == "__main__":
    run_stage(main)
