"""Memory that a process has freed, given back to the system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 16 << 20  # bytes


def return_large_blocks() -> None:
    """From now on, blocks above 16 MB are the system's again as soon as they are freed.

    glibc raises that limit to 32 MB as such blocks come and go, and puts smaller ones between what it still holds: with
    the activations of RTMW-l that is 110 MB which a worker has and does not use, and it grows with every minute of
    video. A limit of 4 MB saves 60 MB more and costs a sixth of the speed, this one a fiftieth
    (benchmarks/extraction_memory.py). Does nothing where the C library has no such limit.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
