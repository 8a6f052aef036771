"""Videos -> I3D features a window: data/rgb/<dataset>/."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from seds import imported, tables, workers
from seds.config import load_params
from seds.extract import extract
from seds.rgb.extractor import build_extractor, describe


def main(dataset: str) -> None:
    params = load_params()
    if params.dataset(dataset).corpus == imported.CORPUS:
        imported.hand_over("rgb", Path("data/raw") / dataset, Path("data/rgb") / dataset)
        return
    profile, device = getattr(params.rgb, params.profile(dataset)), params.device()
    extract(
        kind="rgb",
        videos=tables.read(f"data/videos/{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}"),
        build=partial(build_extractor, profile, params.rgb.window, device),
        settings=describe(profile, params.rgb.window),
        output=Path("data/rgb") / dataset,
        scratch=Path("work"),
        shard_videos=params.rgb.shard_videos,
        # Processes of one GPU would only wait for each other.
        workers=1 if device == "cuda" else params.machine.workers or workers.cores(),
    )


if __name__ == "__main__":
    main(sys.argv[1])
