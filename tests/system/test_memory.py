"""What a process still holds of a block that it has freed, with and without seds.system.memory."""

import subprocess
import sys

KEPT = """
import numpy as np
from seds.system.memory import keep_freed_blocks, return_large_blocks

{first}

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon:")).split()[1]) / 1024

for _ in range({times}):  # the first one freed is what raises glibc's limit
    before = resident()
    block = np.ones({mb} << 20, np.uint8)
    assert resident() - before > {mb} - 1
    del block
print(resident() - before)
"""


def kept_mb(first: str, mb: int = 20, times: int = 2) -> float:
    """Of a block of `mb` MB that is allocated and freed so many times."""
    printed = subprocess.run(
        [sys.executable, "-c", KEPT.format(first=first, mb=mb, times=times)], check=True, capture_output=True, text=True
    )
    return float(printed.stdout)


def test_large_blocks_are_returned_that_would_be_kept() -> None:
    assert kept_mb("") > 19, "the C library keeps none: seds.system.memory is not needed"
    assert kept_mb("return_large_blocks()") < 1


def test_training_keeps_blocks_that_would_be_returned() -> None:
    assert kept_mb("", mb=100, times=1) < 1
    assert kept_mb("keep_freed_blocks()", mb=100, times=1) > 99
