"""Where videos are extracted: in processes of this machine, each on a device, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from seds.config import Params
from seds.engine.attempt import make_attempt
from seds.extraction.extractor import Extractor, Outcome, Video
from seds.system.workers import Death, cores, run_tasks


class Executor(Protocol):
    """Runs an extractor over videos. No result depends on which executor it is."""

    def run(
        self,
        make_extractor: Callable[[str], Extractor],
        videos: Sequence[Video],
        one_at_a_time: bool,
        on_start: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        """Yields (index of the video, its outcome or its worker's death), in the order of completion.

        make_extractor: see ExtractorSpec. one_at_a_time: a single worker, so that only the video it works on can be the
        cause of a death. on_start: called with the index of each video before a worker gets it.

        Raises workers.WorkerError if the extractor cannot be made, EngineError if no worker can be had.
        """
        ...


@dataclass(frozen=True)
class LocalExecutor:
    """A process for each of `devices`."""

    devices: Sequence[str]

    def run(
        self,
        make_extractor: Callable[[str], Extractor],
        videos: Sequence[Video],
        one_at_a_time: bool,
        on_start: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        devices = self.devices[:1] if one_at_a_time else self.devices
        return run_tasks([partial(make_attempt, make_extractor, device) for device in devices], videos, on_start)


def make_executor(params: Params, device: str, workers_per_gpu: int) -> Executor:
    """The executor that the sections `extract` and `machine` of params.yaml ask for, on "cpu" or "cuda".

    workers_per_gpu: how many processes one GPU can serve before they wait for each other.
    """
    if params.extract.engine == "ray":
        from seds.engine.ray_executor import RayExecutor

        return RayExecutor(params.extract.address, device, params.machine.workers, workers_per_gpu)
    workers = params.machine.workers or cores()
    if device == "cpu":
        return LocalExecutor(["cpu"] * workers)
    import torch  # slow to import

    return LocalExecutor(gpu_of_each_worker(torch.cuda.device_count(), workers, workers_per_gpu))


def gpu_of_each_worker(gpus: int, workers: int, workers_per_gpu: int) -> list[str]:
    """A device for each process, round robin: cuda:0, cuda:1, ..., cuda:0. At most `workers` processes."""
    return [f"cuda:{i % gpus}" for i in range(min(workers, gpus * workers_per_gpu))]
