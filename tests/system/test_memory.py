"""What a process still holds of a block that it has freed, with and without seds.system.memory."""

import subprocess
import sys

KEPT = """
import numpy as np
from seds.system.memory import return_large_blocks

{first}

def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon:")).split()[1]) / 1024

for _ in range(2):  # the first one freed is what raises glibc's limit
    before = resident()
    block = np.ones(20 << 20, np.uint8)
    assert resident() - before > 19
    del block
print(resident() - before)
"""


def kept_mb(first: str) -> float:
    printed = subprocess.run(
        [sys.executable, "-c", KEPT.format(first=first)], check=True, capture_output=True, text=True
    )
    return float(printed.stdout)


def test_large_blocks_are_returned_that_would_be_kept() -> None:
    assert kept_mb("") > 19, "the C library keeps none: seds.system.memory is not needed"
    assert kept_mb("return_large_blocks()") < 1
