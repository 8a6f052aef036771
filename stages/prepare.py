"""Annotations and video headers -> data/videos/<dataset>.parquet, one row a video, and data/signs/<dataset>.parquet,
one row a sign whose time is known.
"""

from __future__ import annotations

from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.corpora import headers, prepare, signs
from seds.corpora.readers import texts
from seds.extraction import imported
from seds.system.commands import run_stage


def main(dataset: str) -> None:
    params = load_params()
    root, header_cache = Path("data/raw") / dataset, headers.cache_path(dataset)
    videos, found, skipped = prepare.prepare_with_signs(
        dataset, params.dataset(dataset), root, header_cache, params.machine.workers
    )
    tables.write(videos, tables.VIDEOS, Path("data/videos") / f"{dataset}.parquet")
    tables.write(found, tables.SIGNS, Path("data/signs") / f"{dataset}.parquet")
    print(prepare.summary(videos))
    print(texts.report(videos))
    if lines := signs.summary(found, skipped):
        print(lines)
    if not imported.is_imported(params.dataset(dataset)):  # whose extraction takes no time
        prepare.check_splits(dataset, videos)


if __name__ == "__main__":
    run_stage(main)
