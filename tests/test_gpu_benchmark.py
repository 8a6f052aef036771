"""`make gpu` at small sizes on the CPU, so that it runs when somebody has a GPU."""

import math
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch

ROOT = Path(__file__).parents[1]
COMPARED = ("model", "i3d", "rtmw", "training", "search")


def load() -> Any:
    """The script as a module. It puts the folder of benchmarks on the path."""
    spec = spec_from_file_location("gpu", ROOT / "benchmarks" / "gpu.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["gpu"] = module_from_spec(spec)  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


gpu = load()


@pytest.mark.slow
def test_every_check_runs_at_small_sizes_on_the_cpu() -> None:
    command = [sys.executable, "benchmarks/gpu.py", "--small", "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    for check in COMPARED:
        said = [line for line in lines if line.startswith(f"{check} ")]
        assert any(line.endswith(" ok") for line in said), done.stdout
    assert "skipped" not in done.stdout
    for speed in ("samples/s", "waiting for a batch", "frames/s", "scoring 40 x 40", "peak memory"):
        assert speed in done.stdout


def rows(check: Callable[[Any], Iterator[Any]], ends: float = math.inf) -> list[Any]:
    return list(gpu.rows_of(check, gpu.Options(torch.device("cpu"), True, ends)))


def test_missing_package_is_skipped_by_name() -> None:
    def rtmw(options: Any) -> Iterator[Any]:
        yield gpu.within("rtmw", "keypoints", 0.0, 1.0)
        import no_such_package.apis  # noqa: F401

    found = rows(rtmw)
    assert [(row.found, row.ok) for row in found] == [("0", True), ("skipped: no_such_package is not installed", None)]


def test_missing_module_of_ours_is_a_failure() -> None:
    def search(options: Any) -> Iterator[Any]:
        import seds.no_such_module  # noqa: F401

        yield None

    assert [row.ok for row in rows(search)] == [False]


def test_check_that_there_is_no_time_for_is_named() -> None:
    assert [(row.found, row.ok) for row in rows(gpu.search, ends=0.0)] == [("not run: no time left", None)]


def test_mismatch_ends_with_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["gpu.py", "--small", "--device", "cpu", "--only", "search"]
    monkeypatch.setattr(sys, "argv", command)
    assert gpu.main() == 0
    monkeypatch.setattr(gpu, "SCORES", -1.0)
    assert gpu.main() == 1
    assert "MISMATCH" in capsys.readouterr().out
