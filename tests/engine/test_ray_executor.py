"""Extraction on a Ray cluster of this machine: two nodes, one of which is killed; the bytes are those of local runs."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.toy_extractor import begun, make_broken
from helpers.toy_runs import files, parts, run_toy

from seds.engine.executors import LocalExecutor
from seds.engine.ray_executor import Actor, RayExecutor
from seds.system.files import EngineError
from seds.system.workers import WorkerError

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

pytestmark = pytest.mark.slow

STORE = 80 * 2**20


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head without room for work, and one node with room for two workers."""
    quick = {"health_check_period_ms": 500, "health_check_failure_threshold": 4, "health_check_initial_delay_ms": 0}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TQDM_PATCH_PRINT", "0")  # or Ray replaces Python's own print for good
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)  # toy_extractor, on the nodes
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 0, "object_store_memory": STORE, "include_dashboard": False, "_system_config": quick,
            },
        )  # fmt: skip
        cluster.add_node(num_cpus=2, object_store_memory=STORE)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def executor(cluster: Cluster) -> RayExecutor:
    return RayExecutor(cluster.address, "cpu", workers=2, workers_per_gpu=1)


def test_ray_shards_equal_those_of_local_workers(cluster: Cluster, tmp_path: Path) -> None:
    names = ("0-slow", "1-bad", "2", "3-kill", "4", "5-once", "6-vanish")
    index = run_toy(tmp_path, *names, executor=executor(cluster))
    assert index["status"].tolist() == ["ok", "failed", "ok", "failed", "ok", "ok", "failed"]
    assert "quarantined" in index["detail"][3]
    assert [begun(tmp_path / "log").count(name) for name in names] == [1, 1, 1, 2, 1, 2, 1]
    run_toy(tmp_path / "local", *names)
    here, there = files(tmp_path / "local" / "out"), files(tmp_path / "out")
    del here["index.parquet"], there["index.parquet"]  # have the folders' names in their reasons
    assert here == there
    assert len(here) == 3
    landed = parts(tmp_path)
    run_toy(tmp_path, *names, output="again", executor=LocalExecutor(["cpu"]))
    assert parts(tmp_path) == landed, "local workers go on where the cluster was"


def test_ray_gives_the_work_of_a_lost_node_to_others(cluster: Cluster, tmp_path: Path) -> None:
    names = [f"{i}-slow" for i in range(24)]
    doomed = cluster.add_node(num_cpus=2, object_store_memory=STORE)
    both = RayExecutor(cluster.address, "cpu", workers=4, workers_per_gpu=1)

    def kill() -> None:
        while len({line.split()[2] for line in lines(tmp_path / "log")}) < 4:
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    index = run_toy(tmp_path, *names, executor=both)
    killer.join()
    assert (index["status"] == "ok").all()
    assert len(begun(tmp_path / "log")) > len(names), "none was at work on the node when it went"
    assert not list(tmp_path.glob("work/pose/*/crashes/*")), "nobody is blamed for the node"
    run_toy(tmp_path / "local", *names)
    assert files(tmp_path / "out") == files(tmp_path / "local" / "out")


def test_ray_names_a_node_unlike_the_driver(tmp_path: Path) -> None:
    outcome, why = Actor().start(str(tmp_path / "nowhere"), make_broken, "cpu", "")
    assert outcome == "broken"
    assert f"has no {tmp_path}/nowhere" in why
    assert "on a file system that all nodes share" in why
    outcome, why = Actor().start(str(Path.cwd()), make_broken, "cpu", "the driver's version")
    assert outcome == "broken"
    assert "a different version of seds" in why


def test_ray_run_ends_if_the_extractor_cannot_be_made(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"node .*: FileNotFoundError: weights.pth not found"):
        run_toy(tmp_path, "0", make_extractor=make_broken, executor=executor(cluster))


def test_ray_names_a_cluster_that_does_not_answer(cluster: Cluster, tmp_path: Path) -> None:
    ray.shutdown()
    with pytest.raises(EngineError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        run_toy(tmp_path, "0", executor=RayExecutor("127.0.0.1:1", "cpu", None, 1))


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []
