"""A sandbox process that crashes, hogs, dawdles and writes: each is an answer, and the next task finds it well."""

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


def act(task: dict[str, Any], report: OnProgress) -> bytes:
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
        report(0.25)
        report(0.75)
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


def test_what_it_raises_is_told_and_it_lives_on(sandbox: Sandbox) -> None:
    before = pid(sandbox)
    shares: list[float] = []
    assert int(sandbox.run({"do": "report"}, 20, shares.append)) == before
    assert shares == [0.25, 0.75]
    with pytest.raises(InvalidInputError, match=r"^not this one$"):
        sandbox.run({"do": "refuse"}, 20)
    with pytest.raises(SandboxError, match="KeyError: 'lost'"):
        sandbox.run({"do": "fail"}, 20)
    assert pid(sandbox) == before != os.getpid()


def test_memory_is_bounded(sandbox: Sandbox) -> None:
    assert sandbox.run({"do": "hog", "mb": 100}, 20) == b"\1\1\1"
    with pytest.raises(InvalidInputError, match="needs more memory"):
        sandbox.run({"do": "hog", "mb": 300}, 20)
    assert pid(sandbox)


def test_files_are_bounded(sandbox: Sandbox, tmp_path: Path) -> None:
    place = tmp_path / "file"
    sandbox.run({"do": "write", "path": str(place), "bytes": 1 << 20}, 20)
    with pytest.raises(SandboxError, match="File too large"):
        sandbox.run({"do": "write", "path": str(place), "bytes": (1 << 20) + 1}, 20)
    assert place.stat().st_size <= 1 << 20


def test_a_crash_and_a_task_without_end_cost_that_task_alone(sandbox: Sandbox) -> None:
    first = pid(sandbox)
    with pytest.raises(SandboxError, match="was killed by SIGSEGV"):
        sandbox.run({"do": "die"}, 20)
    second = pid(sandbox)
    with pytest.raises(SandboxError, match=r"took more than 0\.3 s"):
        sandbox.run({"do": "sleep"}, 0.3)
    assert len({first, second, pid(sandbox)}) == 3
    assert not Path(f"/proc/{second}").exists()


def test_one_that_cannot_start_says_why() -> None:
    broken = Sandbox(build_nothing, memory_mb=100)
    for _ in range(2):
        with pytest.raises(SandboxError, match="OSError: no such weights"):
            broken.run({}, 20)
    broken.close()
    with pytest.raises(SandboxError, match="closing"):
        broken.run({}, 20)


def test_closing_ends_what_is_at_work() -> None:
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
