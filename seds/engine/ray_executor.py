"""Work on a Ray cluster: actors that hold an extractor, or the model of an index, on every node that has room.

A node needs the same environment, and the project's folder at the same path with the videos in it, as on a shared file
system. Of an extraction only the driver writes: outcomes travel to it, so `work/` and `data/` need not be shared. Files
of an index are written to `work/` by the nodes themselves.
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

from seds.engine.attempt import make_attempt
from seds.extraction.extractor import Extractor, Outcome, Video
from seds.system.code_version import code_version
from seds.system.files import EngineError
from seds.system.workers import Death, WorkerError, cores

log = logging.getLogger(__name__)

_PATIENCE_S = 60.0  # without any worker before the user is told
_CONNECT_S = 10.0  # for a cluster to answer
_FAILED_STARTS = 10  # in a row before the run gives up; when a node is lost, several of its workers may be starting


class Actor:
    """A worker process somewhere in the cluster."""

    def start(
        self, folder: str, make: Callable[[str], Any], device: str, code: str, begin: Callable[..., Any] = make_attempt
    ) -> tuple[str, str]:
        """("ready", id of its node), or ("broken", why it cannot work there). begin(make, device): the function that is
        applied to the tasks. code: the driver's version of `make`.
        """
        import ray

        host = socket.gethostname()
        try:
            os.chdir(folder)  # paths of videos are relative to it
        except OSError as error:
            shared = "the project and its videos must be on a file system that all nodes share"
            return "broken", f"node {host} has no {folder} ({error.strerror}); {shared}"
        if code_version(make) != code:
            return "broken", f"node {host} has a different version of seds than the driver; install the same one"
        try:
            self._function = begin(make, device)
        except Exception as error:
            return "broken", f"node {host}: {type(error).__name__}: {error}"
        return "ready", ray.get_runtime_context().get_node_id()

    def process(self, task: Any) -> Any:
        return self._function(task)


@dataclass
class _Worker:
    actor: Any
    node: str | None = None  # None until it is ready
    task: int | None = None  # index of the one it is working on


@dataclass(frozen=True)
class RayExecutor:
    """Actors on the cluster at `address`, or else at RAY_ADDRESS, or else on one started on this machine.

    device: "cpu", or "cuda", where every actor gets 1/`workers_per_gpu` of a GPU. workers: None = as many as the
    cluster has room for when a run begins.

    Raises EngineError if Ray is not installed or the cluster does not answer.
    """

    address: str | None
    device: str
    workers: int | None
    workers_per_gpu: int
    patience_s: float = field(default=_PATIENCE_S)

    def run(
        self,
        make_extractor: Callable[[str], Extractor],
        videos: Sequence[Video],
        one_at_a_time: bool,
        on_start: Callable[[int], None],
    ) -> Iterator[tuple[int, Outcome | Death]]:
        return self._run(make_extractor, make_attempt, videos, one_at_a_time, on_start)

    def run_tasks(
        self, make: Callable[[str], Callable[[Any], Any]], tasks: Sequence[Any]
    ) -> Iterator[tuple[int, Any | Death]]:
        """Yields (index of the task, result or its worker's death), in the order of completion.

        make: picklable; called once by each worker, with its device, for the function of a task. An exception of the
        function is a death, too. Raises workers.WorkerError if a maker raises, EngineError.
        """
        return self._run(make, _made, tasks, False, lambda _: None)

    def _run(
        self,
        make: Callable[[str], Any],
        begin: Callable[..., Any],
        tasks: Sequence[Any],
        one_at_a_time: bool,
        on_start: Callable[[int], None],
    ) -> Iterator[tuple[int, Any]]:
        ray = self._connect()
        options = {"num_gpus": 1 / self.workers_per_gpu} if self.device == "cuda" else {}
        remote = ray.remote(num_cpus=1, **options)(Actor)
        # On a GPU node Ray shows an actor only its own GPU, so that it is "cuda" to each.
        start = (str(Path.cwd()), ray.put(make), self.device, code_version(make), begin)
        workers = 1 if one_at_a_time else self.workers or self._room(ray)
        waiting = deque(range(len(tasks)))
        pending: dict[Any, _Worker] = {}  # workers by the answer that each will give next
        idle: list[_Worker] = []
        failed_starts = 0  # in a row

        def assign(worker: _Worker) -> None:
            if waiting:
                on_start(waiting[0])
                worker.task = waiting.popleft()
                pending[worker.actor.process.remote(tasks[worker.task])] = worker
            else:
                idle.append(worker)

        def busy() -> int:
            return sum(worker.task is not None for worker in pending.values())

        try:
            while waiting or busy():
                while len(pending) < min(workers, len(waiting) + busy()):
                    worker = _Worker(remote.remote())
                    pending[worker.actor.start.remote(*start)] = worker
                answers, _ = ray.wait(list(pending), timeout=self.patience_s)
                if not answers and not any(worker.node for worker in pending.values()):
                    log.warning("no worker has started yet; the Ray cluster has %s free", ray.available_resources())
                for answer in answers:
                    worker = pending.pop(answer)
                    task, worker.task = worker.task, None
                    try:
                        result = ray.get(answer)
                    except ray.exceptions.RayError as error:
                        ray.kill(worker.actor)
                        if worker.node is None:
                            failed_starts += 1
                            if failed_starts == _FAILED_STARTS or isinstance(error, ray.exceptions.RayTaskError):
                                raise WorkerError(f"no worker could start: {_brief(error)}") from None
                        elif task is not None:
                            certain = _died_alone(ray, error, worker.node)
                            yield task, Death(f"its worker was lost: {_brief(error)}", certain)
                        continue
                    if task is None:
                        status, value = result
                        if status == "broken":
                            raise WorkerError(value)
                        worker.node, failed_starts = value, 0
                    else:
                        yield task, result
                    assign(worker)
        finally:
            for worker in [*pending.values(), *idle]:
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
        options: dict[str, Any] = {"address": address}
        if address is None:
            options = {"address": "local", "num_cpus": cores(), "include_dashboard": False}
        try:
            if address and (host_and_port := re.fullmatch(r"([^/]+):([0-9]+)", address)):
                # Ray itself would try for four minutes.
                host, port = host_and_port.groups()
                socket.create_connection((host, int(port)), timeout=_CONNECT_S).close()
            ray.init(**options, logging_level=logging.ERROR, log_to_driver=False)
        except (OSError, RuntimeError, ValueError) as error:
            raise EngineError(f"no Ray cluster at {address or 'this machine'}: {error}") from None
        return ray

    def _room(self, ray: Any) -> int:
        resources = ray.cluster_resources()
        cpus = int(resources.get("CPU", 0))
        room = min(cpus, int(resources.get("GPU", 0)) * self.workers_per_gpu) if self.device == "cuda" else cpus
        if room == 0:
            raise EngineError(f"the Ray cluster has no room for a worker on {self.device}; it has {resources}")
        return room


def _made(make: Callable[[str], Any], device: str) -> Any:
    return make(device)


def _died_alone(ray: Any, error: Exception, node: str) -> bool:
    """Whether the worker died while its node lives on. A lost connection does not tell."""
    if isinstance(error, ray.exceptions.ActorUnavailableError | ray.exceptions.ObjectLostError):
        return False
    return any(known["NodeID"] == node and known["Alive"] for known in ray.nodes())


def _brief(error: Exception) -> str:
    """The kind and the line that says why: the last of a trace, the first of an explanation."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[-1 if 'Traceback' in str(error) or len(lines) == 1 else 0]}"
