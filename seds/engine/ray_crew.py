"""A Ray cluster as crew: actors that hold the extractor, on every node that has room.

What it asks of a node: the same environment, and the project's folder at the same place, with the videos in it, as on
a shared file system. Only the driver writes: outcomes travel to it, so `work/` and `data/` need not be shared.
"""

from __future__ import annotations

import logging
import os
import re
import socket
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from seds.engine.attempt import build_attempt
from seds.extraction.extractor import Build, Outcome, Video
from seds.system.code_version import code_version
from seds.system.files import EngineError
from seds.system.workers import Death, WorkerError, cores

_PATIENCE_S = 60.0  # without any worker before the user is told
_ANSWER_S = 10.0  # for a cluster to answer
_STARTS = 10  # workers lost in a row before they were ready; a few go with their node


class Actor:
    """A worker process somewhere in the cluster."""

    def build(self, folder: str, build: Build, code: str) -> tuple[str, str]:
        """("ready", id of its node), or ("broken", why it cannot do this work)."""
        import ray

        host = socket.gethostname()
        try:
            os.chdir(folder)  # paths of videos are relative to it
        except OSError as error:
            shared = "the project and its videos must lie on a file system that all nodes share"
            return "broken", f"node {host} has no {folder} ({error.strerror}); {shared}"
        if code_version(build) != code:
            return "broken", f"node {host} has another version of the package seds than the driver; install the same"
        try:
            self._attempt = build_attempt(build)
        except Exception as error:
            return "broken", f"node {host}: {type(error).__name__}: {error}"
        return "ready", ray.get_runtime_context().get_node_id()

    def apply(self, video: Video) -> Outcome:
        return self._attempt(video)


@dataclass
class _Worker:
    actor: Any
    node: str | None = None  # None until it is ready
    task: int | None = None


@dataclass(frozen=True)
class RayCrew:
    """Actors on the cluster at `address`, else at RAY_ADDRESS, else on one started on this machine.

    device   "cpu", or "cuda": every actor then gets 1/`workers_a_gpu` of a GPU
    workers  None: as many as the cluster has room for when a run begins

    Raises EngineError where Ray is not installed or the cluster does not answer.
    """

    address: str | None
    device: str
    workers: int | None
    workers_a_gpu: int
    patience_s: float = field(default=_PATIENCE_S)

    def run(
        self,
        build: Callable[[str], Build],
        videos: Sequence[Video],
        alone: bool,
        starting: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        ray = self._connect()
        share = {"num_gpus": 1 / self.workers_a_gpu} if self.device == "cuda" else {}
        # On a GPU node Ray shows an actor its own GPU alone, so that it is "cuda" to each.
        made, remote = build(self.device), ray.remote(num_cpus=1, **share)(Actor)
        order = (str(Path.cwd()), ray.put(made), code_version(made))
        workers = 1 if alone else self.workers or self._room(ray)
        waiting = deque(range(len(videos)))
        crew: dict[Any, _Worker] = {}  # by what each is to answer next
        idle: list[_Worker] = []
        failed_starts = 0  # in a row

        def hand_out(worker: _Worker) -> None:
            if waiting:
                starting(waiting[0])
                worker.task = waiting.popleft()
                crew[worker.actor.apply.remote(videos[worker.task])] = worker
            else:
                idle.append(worker)

        def busy() -> int:
            return sum(worker.task is not None for worker in crew.values())

        try:
            while waiting or busy():
                while len(crew) < min(workers, len(waiting) + busy()):
                    worker = _Worker(remote.remote())
                    crew[worker.actor.build.remote(*order)] = worker
                answered, _ = ray.wait(list(crew), timeout=self.patience_s)
                if not answered and not any(worker.node for worker in crew.values()):
                    tqdm.write(f"no worker yet; the Ray cluster has {ray.available_resources()} to give")
                for answer in answered:
                    worker = crew.pop(answer)
                    task, worker.task = worker.task, None
                    try:
                        result = ray.get(answer)
                    except ray.exceptions.RayError as error:
                        ray.kill(worker.actor)
                        if worker.node is None:
                            failed_starts += 1
                            if failed_starts == _STARTS or isinstance(error, ray.exceptions.RayTaskError):
                                raise WorkerError(f"no worker could start: {_brief(error)}") from None
                        elif task is not None:
                            certain = _own_death(ray, error, worker.node)
                            yield task, Death(f"its worker was lost: {_brief(error)}", certain)
                        continue
                    if task is None:
                        outcome, value = result
                        if outcome == "broken":
                            raise WorkerError(value)
                        worker.node, failed_starts = value, 0
                    if task is not None:
                        yield task, result
                    hand_out(worker)
        finally:
            for worker in [*crew.values(), *idle]:
                ray.kill(worker.actor)

    def _connect(self) -> Any:
        try:
            import ray
        except ModuleNotFoundError:
            raise EngineError(
                "extract.engine is ray, which is not installed; run: pip install -e '.[ray]', or set it to local"
            ) from None
        if ray.is_initialized():
            return ray
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
        address = self.address or os.environ.get("RAY_ADDRESS")
        start: dict[str, Any] = {"address": address}
        if address is None:
            start = {"address": "local", "num_cpus": cores(), "include_dashboard": False}
        try:
            if address and (place := re.fullmatch(r"([^/]+):([0-9]+)", address)):
                # Ray itself would try for four minutes.
                socket.create_connection((place[1], int(place[2])), timeout=_ANSWER_S).close()
            ray.init(**start, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"no Ray cluster at {address or 'this machine'}: {error}") from None
        return ray

    def _room(self, ray: Any) -> int:
        there = ray.cluster_resources()
        cpus = int(there.get("CPU", 0))
        room = min(cpus, int(there.get("GPU", 0)) * self.workers_a_gpu) if self.device == "cuda" else cpus
        if room == 0:
            raise EngineError(f"the Ray cluster has no room for a worker on {self.device}; it has {there}")
        return room


def _own_death(ray: Any, error: Exception, node: str) -> bool:
    """Whether the worker died by itself, on a node that lives; a lost connection says nothing of that."""
    if isinstance(error, ray.exceptions.ActorUnavailableError | ray.exceptions.ObjectLostError):
        return False
    return any(known["NodeID"] == node and known["Alive"] for known in ray.nodes())


def _brief(error: Exception) -> str:
    """The kind and the line that says why: the last of a trace, the first of an explanation."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1 if 'Traceback' in str(error) or len(lines) == 1 else 0]}"
