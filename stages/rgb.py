"""Videos -> I3D features per window: data/rgb/<dataset>/."""

from __future__ import annotations

from pathlib import Path

from seds import tables
from seds.config import load_params
from seds.engine.command import Corpus, OnlyJob, run_extraction_stage
from seds.engine.executors import make_executor
from seds.engine.run import extract
from seds.extraction import imported
from seds.recognizers import extractor


def main(dataset: Corpus, job: OnlyJob = None) -> None:
    params = load_params()
    output = Path("data/rgb") / dataset
    if imported.is_imported(params.dataset(dataset)):
        imported.hand_over("rgb", Path("data/raw") / dataset, output)
        return
    videos = tables.read(f"data/videos/{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}")
    spec = extractor.corpus_extractor(params, dataset)
    executor = make_executor(params, spec.device, workers_per_gpu=1)  # more would only wait for each other
    extract(
        spec,
        videos,
        output=output,
        scratch=Path("work"),
        shard_videos=params.rgb.shard_videos,
        executor=executor,
        job=job,
    )


if __name__ == "__main__":
    run_extraction_stage(main)
