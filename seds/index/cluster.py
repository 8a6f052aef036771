"""Making the files of an index on a Ray cluster, a job for each."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from seds.config import Params, load_params
from seds.engine.ray_executor import RayExecutor
from seds.index.build import build
from seds.index.store import FOLDER, model_digest
from seds.model import checkpoint
from seds.system.jobs import JobShare
from seds.system.workers import Death

log = logging.getLogger(__name__)


def run_jobs(dataset: str, params: Params, jobs: Sequence[JobShare]) -> None:
    """Have each job done by a worker of the cluster; warns of those whose worker was lost.

    Raises EngineError and workers.WorkerError as RayExecutor does.
    """
    executor = RayExecutor(params.extract.address, params.device(), params.machine.workers, workers_per_gpu=1)
    done = executor.run_tasks(partial(worker, dataset), jobs)
    for i, result in tqdm(done, "index", len(jobs), unit="file", disable=None):
        if isinstance(result, Death):
            log.warning(f"index: job {jobs[i]} on the cluster: {result.how}")


def worker(dataset: str, device: str) -> Callable[[JobShare], None]:
    """In a worker, whose folder is the project: makes the files of a job in work/index."""
    params, folder = load_params(), Path("models") / dataset
    model, sha256 = checkpoint.load(folder).to(device), model_digest(folder)

    def make(job: JobShare) -> None:
        build(dataset, model, sha256, params.rules(dataset), params.index, FOLDER / dataset, workers=1, job=job)

    return make
