"""From a typed search to its printed results: another revision, this tree, and this tree beside a running `seds serve`.

    python benchmarks/startup.py demo --before 64a1925 [--rounds 5]

Run it in a folder with an index. The revision is checked out into a temporary folder and searches the same index. They
take turns, so that whatever else the machine does slows down all. `printed` is the time until the last line of the
results, `ended` until the shell has its prompt again, `processor` what both cores worked for it; each is the median.

Found on two cores of which other work took the most, s:
                       printed     ended   processor
    746a4e9              26.94     35.88        3.96
    this tree            16.20     23.27        2.60
    beside a server       2.15      2.91        0.27
Of the 2.6 s of processor time, `import torch` takes 1.5. Without other work a later tree of this machine printed after
1.46 s and ended after 2.03; beside a server 0.15 and 0.18.
"""

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
SENTENCE = "My father dances today."
K = 3
# -P: the working directory may hold another copy of the code.
SEDS = (sys.executable, "-P", "-c", "from seds.cli import app; app()")


def search(tree: Path, dataset: str, *options: str) -> tuple[float, float, float]:
    """Seconds until the results were printed, until the process had ended, and of processor time."""
    before, start = os.times(), time.perf_counter()
    command = [*SEDS, "search", dataset, SENTENCE, "-k", str(K), *options]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(tree)}, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(1 + K)]
    printed = time.perf_counter() - start
    process.communicate()
    ended, after = time.perf_counter() - start, os.times()
    assert process.returncode == 0, f"the search failed with code {process.returncode}"
    assert all(lines), f"expected {1 + K} lines"
    worked = after.children_user + after.children_system - before.children_user - before.children_system
    return printed, ended, worked


@contextmanager
def revision(name: str) -> Iterator[Path]:
    """The files of a revision."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(["git", "archive", name, "seds"], cwd=ROOT, check=True, capture_output=True).stdout
        subprocess.run(["tar", "-x", "-C", folder], input=archive, check=True)
        yield Path(folder)


@contextmanager
def served(dataset: str) -> Iterator[None]:
    """A running server."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [*SEDS, "serve", dataset, "--port", "0"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert re.search("http", line), f"the server says {line!r}"
        yield
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--before", required=True, help="a revision of this repository")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    measured: dict[str, list[tuple[float, float, float]]] = {}
    with revision(options.before) as old, served(options.dataset):
        for _ in range(options.rounds):
            for name, tree, more in (
                (f"{options.before}", old, ()),
                ("this tree", ROOT, ("--no-server",)),
                ("beside a server", ROOT, ()),
            ):
                measured.setdefault(name, []).append(search(tree, options.dataset, *more))
    print(f"{'s':20}{'printed':>10}{'ended':>10}{'processor':>12}")
    for name, rows in measured.items():
        printed, ended, worked = map(statistics.median, zip(*rows, strict=True))
        print(f"{name:20}{printed:10.2f}{ended:10.2f}{worked:12.2f}")


if __name__ == "__main__":
    main()
