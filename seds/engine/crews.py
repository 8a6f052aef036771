"""Who does the work: processes of this machine, each on a device of its own, or the actors of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from seds.config import Params
from seds.engine.attempt import build_attempt
from seds.extraction.extractor import Build, Outcome, Video
from seds.system.workers import Death, cores, run_tasks


class Crew(Protocol):
    """Runs an extractor over videos; which crew it is changes no result."""

    def run(
        self,
        build: Callable[[str], Build],
        videos: Sequence[Video],
        alone: bool,
        starting: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        """Yields (index of the video, its outcome or its worker's death), in the order of completion.

        build     device, "cpu", "cuda" or "cuda:1", -> maker of the extractor on it
        alone     one video at a time, in one worker
        starting  called with the index of each video before a worker gets it

        Raises workers.WorkerError where the extractor cannot be built, EngineError where there is no crew.
        """
        ...


@dataclass(frozen=True)
class LocalCrew:
    """A process for each of `devices`."""

    devices: Sequence[str]

    def run(
        self,
        build: Callable[[str], Build],
        videos: Sequence[Video],
        alone: bool,
        starting: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        devices = self.devices[:1] if alone else self.devices
        on = {device: build(device) for device in dict.fromkeys(devices)}
        return run_tasks([partial(build_attempt, on[device]) for device in devices], videos, starting)


def crew(params: Params, device: str, workers_a_gpu: int) -> Crew:
    """The crew that the sections `extract` and `machine` of params.yaml ask for, on "cpu" or "cuda".

    workers_a_gpu  processes that one GPU can serve before they wait for each other
    """
    if params.extract.engine == "ray":
        from seds.engine.ray_crew import RayCrew

        return RayCrew(params.extract.address, device, params.machine.workers, workers_a_gpu)
    if device == "cpu":
        return LocalCrew(["cpu"] * (params.machine.workers or cores()))
    import torch  # dear to import

    return LocalCrew(spread(torch.cuda.device_count(), params.machine.workers or cores(), workers_a_gpu))


def spread(gpus: int, workers: int, workers_a_gpu: int) -> list[str]:
    """A device for each process, in turn: cuda:0, cuda:1, ..., cuda:0; `workers` processes at most."""
    return [f"cuda:{i % gpus}" for i in range(min(workers, gpus * workers_a_gpu))]
