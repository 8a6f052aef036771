"""How threads wait, read from OpenMP itself: asked to, it prints what it goes by when it is loaded."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from seds.system.threads import ONE_THREAD, SLEEP_SOON

ROOT = Path(__file__).parents[2]
# Each loads torch, and then ends by itself: nothing of this name exists.
COMMANDS = {
    "stage": [sys.executable, "-m", "stages.train", "nothing"],
    "seds": [str(Path(sys.executable).parent / "seds"), "verify", "nothing"],
    "benchmark": [sys.executable, "benchmarks/training_step.py", "--help"],
}
DEFAULT, SOON = 300_000, 1000  # the policy that it prints is PASSIVE, whether asked for or not

# Runs a script up to where it loads OpenMP, and prints what the environment says there.
UNTIL_LOADED = """
import os, runpy, sys

class Probe:
    def find_spec(name, *_):
        if name in ("torch", "faiss", "sklearn"):
            print(os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_NUM_THREADS"), flush=True)
            os._exit(0)

sys.meta_path.insert(0, Probe)
sys.path.insert(0, os.path.dirname(sys.argv[1]))
runpy.run_path(sys.argv[1])
"""


def as_a_user(command: list[str], **setting: str) -> subprocess.CompletedProcess[str]:
    """A process of a user who set this and nothing else."""
    outer = {*SLEEP_SOON, *ONE_THREAD}  # by conftest.py, or by whoever runs the tests
    environment = {name: value for name, value in os.environ.items() if name not in outer}
    environment |= {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(ROOT)} | setting
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)


def spin_counts(command: list[str], **setting: str) -> set[int]:
    """How often a thread looks whether the others have come, before it sleeps."""
    return {int(n) for n in re.findall(r"GOMP_SPINCOUNT = '(\d+)'", as_a_user(command, **setting).stderr)}


@pytest.mark.slow
def test_spin_count_tells_a_process_that_spins() -> None:
    assert spin_counts([sys.executable, "-c", "import torch"]) == {DEFAULT}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_threads_sleep_soon_while_they_wait(command: list[str]) -> None:
    assert spin_counts(command) == {SOON}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setting", "count"),
    [
        ({"OMP_WAIT_POLICY": "ACTIVE"}, 30_000_000_000),
        ({"OMP_WAIT_POLICY": "PASSIVE"}, 0),
        ({"GOMP_SPINCOUNT": "1234"}, 1234),
    ],
    ids=["active", "passive", "spin count"],
)
def test_users_own_wait_setting_wins(setting: dict[str, str], count: int) -> None:
    # What every stage begins with, without the second or two that one's other imports take.
    assert spin_counts([sys.executable, "-c", "import stages, torch"], **setting) == {count}


@pytest.mark.slow
def test_benchmarks_let_threads_sleep_before_torch_loads() -> None:
    # Those for pytest-benchmark have one thread.
    scripts = [script for script in (ROOT / "benchmarks").glob("*.py") if not script.name.startswith("bench_")]
    found = {s.name: as_a_user([sys.executable, "-c", UNTIL_LOADED, str(s)]).stdout.strip() for s in scripts}
    assert {"training_step.py", "scoring.py", "moments.py"} <= {name for name, said in found.items() if said}
    # "None 1": as workers, who have nobody to wait for.
    assert set(found.values()) <= {"", f"{SOON} None", "None 1"}, found
