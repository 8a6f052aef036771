"""Videos -> 133 keypoints a frame: data/pose/<dataset>/."""

from __future__ import annotations

import sys
from pathlib import Path

from seds import imported, tables, workers
from seds.config import load_params
from seds.extract import extract
from seds.pose.estimators import estimator


def main(dataset: str) -> None:
    params = load_params()
    if params.dataset(dataset).corpus == imported.CORPUS:
        imported.hand_over("pose", Path("data/raw") / dataset, Path("data/pose") / dataset)
        return
    profile = getattr(params.pose, params.profile(dataset))
    device = params.device() if profile.estimator == "mmpose" else "cpu"
    chosen = estimator(profile.estimator, **profile.model_dump(exclude={"estimator"}), device=device)
    videos = tables.read(f"data/videos/{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}")
    extract(
        kind="pose",
        videos=videos,
        build=chosen.build,
        settings=chosen.settings,
        output=Path("data/pose") / dataset,
        scratch=Path("work"),
        shard_videos=params.pose.shard_videos,
        # On a GPU a few processes decode while one computes; more would fill its memory with copies of the network.
        workers=params.machine.workers or (min(4, workers.cores()) if device == "cuda" else workers.cores()),
    )


if __name__ == "__main__":
    main(sys.argv[1])
