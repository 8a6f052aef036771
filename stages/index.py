"""Token embeddings of every usable video and of every sentence -> index/<dataset>/, which `seds search` looks in."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from seds.config import load_params
from seds.index import build, cluster
from seds.index.store import FOLDER, model_digest
from seds.model import checkpoint
from seds.system.commands import run_stage
from seds.system.jobs import OnlyJob


def main(dataset: str, job: OnlyJob = None) -> None:
    params = load_params()
    folder = Path("models") / dataset
    model = checkpoint.load(folder).to(params.device())
    header = build.build(
        dataset,
        model,
        model_digest(folder),
        params.rules(dataset),
        params.index,
        FOLDER / dataset,
        workers=params.machine.workers,
        job=job,
        spread=partial(cluster.run_jobs, dataset, params) if params.extract.engine == "ray" else None,
    )
    if header is None:
        return
    print(
        f"{FOLDER / dataset}: {header.videos:,} videos, {header.sentences:,} sentences, streams "
        f"{', '.join(header.streams)}; {header.video_tokens:,} and {header.sentence_tokens:,} tokens of {header.embed}"
    )


if __name__ == "__main__":
    run_stage(main)
