"""Videos -> 133 keypoints a frame: data/pose/<dataset>/."""

from __future__ import annotations

from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.engine.command import Corpus, OnlyJob, run_extraction_stage
from seds.engine.executors import make_executor
from seds.engine.run import extract
from seds.extraction import imported
from seds.pose.estimators import Estimator, estimator


def main(dataset: Corpus, job: OnlyJob = None) -> None:
    params = load_params()
    if params.dataset(dataset).corpus == imported.CORPUS:
        imported.hand_over("pose", Path("data/raw") / dataset, Path("data/pose") / dataset)
        return
    chosen = params.pose.of(params.profile(dataset))
    device = params.device() if chosen.estimator == "mmpose" else "cpu"
    profile = chosen.on(device)

    def on(device: str) -> Estimator:
        return estimator(profile.estimator, **profile.model_dump(exclude={"estimator"}), device=device)

    extract(
        kind="pose",
        videos=tables.read(f"data/videos/{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}"),
        build=lambda device: on(device).build,
        settings=on("cpu").settings,
        output=Path("data/pose") / dataset,
        scratch=Path("work"),
        shard_videos=params.pose.shard_videos,
        # A few processes decode while one computes; more would fill a GPU's memory with copies of the network.
        executor=make_executor(params, device, workers_per_gpu=4),
        job=job,
    )


if __name__ == "__main__":
    run_extraction_stage(main)
