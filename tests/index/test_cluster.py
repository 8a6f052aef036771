"""An index whose files are made on a Ray cluster of this machine: the bytes are those of a local run."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from helpers.toy_search import ROOT, write_index, write_project
from ruamel.yaml import YAML

from seds.config import load_params
from seds.index import build
from seds.index.store import model_digest
from seds.model import checkpoint
from seds.system.jobs import JobShare

ray = pytest.importorskip("ray")

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Its index takes three files."""
    write_project(tmp_path, {"train": 8, "dev": 1}, shard_videos=32)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Is started by the executor, for want of an address."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_TQDM_PATCH_PRINT", "0")  # or Ray replaces Python's own print for good
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    yield
    ray.shutdown()


def files(project: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project / "index/toy").iterdir()}


def test_ray_makes_the_files_of_a_local_index(project: Path, cluster: None, monkeypatch: pytest.MonkeyPatch) -> None:
    write_index(project)
    local = files(project)
    assert len([name for name in local if name.startswith("videos-")]) == 3
    params = YAML(typ="safe").load(project / "params.yaml")
    params["extract"]["engine"] = "ray"
    YAML(typ="safe").dump(params, project / "params.yaml")
    monkeypatch.setattr(build, "encoded_videos", None)  # of this process, which leaves the files to the workers
    write_index(project)
    assert files(project) == local
    assert not list((project / "work/index").rglob("*.safetensors"))


def test_files_that_no_job_has_made_are_made_here(project: Path) -> None:
    write_index(project)
    local = files(project)
    asked = []

    def make(job: JobShare | None = None) -> None:
        params, folder = load_params(), Path("models/toy")

        def spread(jobs: Sequence[JobShare]) -> None:
            asked.extend(map(str, jobs))

        build.build(
            "toy", checkpoint.load(folder), model_digest(folder), params.rules("toy"), params.index,
            Path("index/toy"), workers=1, job=job, spread=spread,
        )  # fmt: skip

    make(JobShare(2, 3))
    assert asked == []
    make()
    assert asked == ["1/3", "3/3"]
    assert files(project) == local
