"""A sandbox whose process crashes, uses memory, takes long or writes: each is an error, and the next task works."""

import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from seds.serve.sandbox import InvalidInputError, OnProgress, Sandbox, SandboxError


def build():
    return act


def act(task: dict[str, Any], on_progress: OnProgress) -> bytes:
    do = task["do"]
    if do == "die":
        os.kill(os.getpid(), signal.SIGSEGV)
    if do == "sleep":
        time.sleep(60)
    if do == "hog":
        return bytes(np.ones(task["mb"] << 20, np.uint8)[:3])
    if do == "refuse":
        raise ValueError("not this one")
    if do == "fail":
        raise KeyError("lost")
    if do == "write":
        Path(task["path"]).write_bytes(b"x" * task["bytes"])
    if do == "report":
        on_progress(0.25)
        on_progress(0.75)
    return f"{os.getpid()}".encode()


def build_nothing():
    raise OSError("no such weights")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    process = Sandbox(build, memory_mb=200, file_mb=1)
    yield process
    process.close()


def pid(sandbox: Sandbox) -> int:
    return int(sandbox.run({"do": "nothing"}, 20))


def test_a_task_that_raises_is_an_error_and_the_process_stays(sandbox: Sandbox) -> None:
    before = pid(sandbox)
    shares: list[float] = []
    assert int(sandbox.run({"do": "report"}, 20, shares.append)) == before
    assert shares == [0.25, 0.75]
    with pytest.raises(InvalidInputError, match=r"^not this one$"):
        sandbox.run({"do": "refuse"}, 20)
    with pytest.raises(SandboxError, match="KeyError: 'lost'"):
        sandbox.run({"do": "fail"}, 20)
    assert pid(sandbox) == before != os.getpid()


def test_memory_is_limited(sandbox: Sandbox) -> None:
    assert sandbox.run({"do": "hog", "mb": 100}, 20) == b"\1\1\1"
    with pytest.raises(InvalidInputError, match="needs more memory"):
        sandbox.run({"do": "hog", "mb": 300}, 20)
    assert pid(sandbox)


def test_the_size_of_files_is_limited(sandbox: Sandbox, tmp_path: Path) -> None:
    place = tmp_path / "file"
    sandbox.run({"do": "write", "path": str(place), "bytes": 1 << 20}, 20)
    with pytest.raises(SandboxError, match="File too large"):
        sandbox.run({"do": "write", "path": str(place), "bytes": (1 << 20) + 1}, 20)
    assert place.stat().st_size <= 1 << 20


@pytest.mark.slow
def test_a_crash_or_timeout_costs_one_task_only(sandbox: Sandbox) -> None:
    first = pid(sandbox)
    with pytest.raises(SandboxError, match="was killed by SIGSEGV"):
        sandbox.run({"do": "die"}, 20)
    second = pid(sandbox)
    with pytest.raises(SandboxError, match=r"took more than 0\.3 s"):
        sandbox.run({"do": "sleep"}, 0.3)
    assert len({first, second, pid(sandbox)}) == 3
    assert not Path(f"/proc/{second}").exists()


@pytest.mark.slow
def test_a_sandbox_that_cannot_start_says_why() -> None:
    broken = Sandbox(build_nothing, memory_mb=100)
    for _ in range(2):
        with pytest.raises(SandboxError, match="OSError: no such weights"):
            broken.run({}, 20)
    broken.close()
    with pytest.raises(SandboxError, match="the server is shutting down"):
        broken.run({}, 20)


def test_close_ends_the_running_task() -> None:
    busy = Sandbox(build, memory_mb=100)
    busy.run({"do": "nothing"}, 20)
    with ThreadPoolExecutor(1) as pool:
        sleeping = pool.submit(busy.run, {"do": "sleep"}, 50)
        time.sleep(0.2)
        began = time.monotonic()
        busy.close()
        with pytest.raises(SandboxError):
            sleeping.result(5)
    assert time.monotonic() - began < 5
