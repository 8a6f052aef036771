"""Extraction on a Ray cluster of this machine: two nodes, one of which is killed; the bytes are those of local runs."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.toy_extractor import begun, build_broken
from helpers.toy_runs import files, parts, run_toy

from seds.engine.crews import LocalCrew
from seds.engine.ray_crew import Actor, RayCrew
from seds.system.files import EngineError
from seds.system.workers import WorkerError

ray = pytest.importorskip("ray")
from ray.cluster_utils import Cluster  # noqa: E402

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


def crew(cluster: Cluster) -> RayCrew:
    return RayCrew(cluster.address, "cpu", workers=2, workers_a_gpu=1)


def test_shards_are_those_of_local_workers_and_poison_is_set_aside(cluster: Cluster, tmp_path: Path) -> None:
    names = ("0-slow", "1-bad", "2", "3-kill", "4", "5-once", "6-vanish")
    index = run_toy(tmp_path, *names, crew=crew(cluster))
    assert index["status"].tolist() == ["ok", "failed", "ok", "failed", "ok", "ok", "failed"]
    assert "set aside" in index["detail"][3]
    assert [begun(tmp_path / "log").count(name) for name in names] == [1, 1, 1, 2, 1, 2, 1]
    run_toy(tmp_path / "local", *names)
    here, there = files(tmp_path / "local" / "out"), files(tmp_path / "out")
    del here["index.parquet"], there["index.parquet"]  # have the folders' names in their reasons
    assert here == there
    assert len(here) == 3
    landed = parts(tmp_path)
    run_toy(tmp_path, *names, output="again", crew=LocalCrew(["cpu"]))
    assert parts(tmp_path) == landed, "local workers go on where the cluster was"


def test_the_work_of_a_lost_node_is_done_by_others(cluster: Cluster, tmp_path: Path) -> None:
    names = [f"{i}-slow" for i in range(24)]
    doomed = cluster.add_node(num_cpus=2, object_store_memory=STORE)
    both = RayCrew(cluster.address, "cpu", workers=4, workers_a_gpu=1)

    def kill() -> None:
        while len({line.split()[2] for line in lines(tmp_path / "log")}) < 4:
            time.sleep(0.05)
        cluster.remove_node(doomed, allow_graceful=False)

    killer = threading.Thread(target=kill)
    killer.start()
    index = run_toy(tmp_path, *names, crew=both)
    killer.join()
    assert (index["status"] == "ok").all()
    assert len(begun(tmp_path / "log")) > len(names), "none was at work on the node when it went"
    assert not list(tmp_path.glob("work/pose/*/deaths/*")), "nobody is blamed for the node"
    run_toy(tmp_path / "local", *names)
    assert files(tmp_path / "out") == files(tmp_path / "local" / "out")


def test_a_node_that_is_not_like_the_drivers_is_named(tmp_path: Path) -> None:
    outcome, why = Actor().build(str(tmp_path / "nowhere"), build_broken, "")
    assert outcome == "broken"
    assert f"has no {tmp_path}/nowhere" in why
    assert "on a file system that all nodes share" in why
    outcome, why = Actor().build(str(Path.cwd()), build_broken, "the driver's version")
    assert outcome == "broken"
    assert "another version of the package seds" in why


def test_what_cannot_be_built_ends_the_run(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"node .*: FileNotFoundError: weights.pth not found"):
        run_toy(tmp_path, "0", build=build_broken, crew=crew(cluster))


def test_a_cluster_that_is_not_there_is_named(cluster: Cluster, tmp_path: Path) -> None:
    ray.shutdown()
    with pytest.raises(EngineError, match=r"no Ray cluster at 127\.0\.0\.1:1"):
        run_toy(tmp_path, "0", crew=RayCrew("127.0.0.1:1", "cpu", None, 1))


def lines(log: Path) -> list[str]:
    return log.read_text().splitlines() if log.exists() else []
