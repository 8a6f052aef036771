"""Videos -> I3D features a window: data/rgb/<dataset>/."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.engine.command import Corpus, OnlyJob, run_extraction_stage
from seds.engine.executors import make_executor
from seds.engine.run import extract
from seds.extraction import imported
from seds.rgb.extractor import build_extractor, describe


def main(dataset: Corpus, job: OnlyJob = None) -> None:
    params = load_params()
    if params.dataset(dataset).corpus == imported.CORPUS:
        imported.hand_over("rgb", Path("data/raw") / dataset, Path("data/rgb") / dataset)
        return
    profile, window = params.rgb.of(params.profile(dataset)).on(params.device()), params.rgb.window
    extract(
        kind="rgb",
        videos=tables.read(f"data/videos/{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}"),
        build=lambda device: partial(build_extractor, profile, window, device),
        settings=describe(profile, window),
        output=Path("data/rgb") / dataset,
        scratch=Path("work"),
        shard_videos=params.rgb.shard_videos,
        executor=make_executor(params, params.device(), workers_per_gpu=1),  # more would only wait for each other
        job=job,
    )


if __name__ == "__main__":
    run_extraction_stage(main)
