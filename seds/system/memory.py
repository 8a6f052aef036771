"""Memory that a process has freed, returned to the operating system."""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 16 << 20  # bytes


def return_large_blocks() -> None:
    """From now on, blocks above 16 MB go back to the operating system as soon as they are freed.

    glibc raises that limit to 32 MB as such blocks are allocated and freed, and places smaller ones between those it
    still holds. With the activations of RTMW-l a worker then holds 110 MB that it does not use, and more with every
    minute of video. A limit of 4 MB would save 60 MB more but cost a sixth of the speed; this one costs a fiftieth
    (benchmarks/extraction_memory.py). Does nothing if the C library has no such limit.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)
