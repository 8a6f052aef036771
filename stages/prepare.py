"""Annotations and video headers -> data/videos/<dataset>.parquet, one row a video."""

from __future__ import annotations

import sys
from pathlib import Path

from seds import datasets, tables
from seds.config import load_params


def main(dataset: str) -> None:
    params = load_params()
    root = Path("data/raw") / dataset
    videos = datasets.prepare(dataset, params.dataset(dataset).corpus, root, params.machine.workers)
    tables.write(videos, tables.VIDEOS, Path("data/videos") / f"{dataset}.parquet")
    print(datasets.summary(videos))


if __name__ == "__main__":
    main(sys.argv[1])
