"""Videos, keypoints and features, joined and checked -> data/manifest/<dataset>.parquet."""

from __future__ import annotations

import sys
from pathlib import Path

from seds import manifest, tables
from seds.config import load_params
from seds.shards import ShardReader


def main(dataset: str) -> None:
    params = load_params()
    data = Path("data")
    table = manifest.build(
        tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}"),
        ShardReader(data / "pose" / dataset, "pose"),
        ShardReader(data / "rgb" / dataset, "rgb"),
        params.manifest,
        params.dataset(dataset).wrist_margin,
    )
    tables.write(table, tables.MANIFEST, data / "manifest" / f"{dataset}.parquet")
    print(manifest.summary(table))


if __name__ == "__main__":
    main(sys.argv[1])
