"""Memory that a process has freed: returned to the operating system, or kept."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD, _M_MMAP_MAX = -1, -2, -3, -4  # malloc.h
_LARGE = 16 << 20  # bytes
_EVERYTHING = (1 << 31) - 1


def return_large_blocks() -> None:
    """From now on, blocks above 16 MB go back to the operating system as soon as they are freed.

    glibc raises that limit to 32 MB as such blocks are allocated and freed, and places smaller ones between those it
    still holds. With the activations of RTMW-l a worker then holds 110 MB that it does not use, and more with every
    minute of video. A limit of 4 MB would save 60 MB more but cost a sixth of the speed; this one costs a fiftieth
    (benchmarks/extraction_memory.py). Does nothing if the C library has no such limit.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGE)


def keep_freed_blocks() -> None:
    """From now on, memory that is freed stays with this process, to be used again.

    For a training, whose steps allocate the same blocks again and again: those above 32 MB would otherwise go back to
    the operating system each time, which fills them with zeros when it hands them out. A step of 24 windows through the
    small I3D takes a quarter less. Does nothing if the C library has no such limits.
    """
    if (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _EVERYTHING)
        mallopt(_M_TOP_PAD, _LARGE)


@contextmanager
def garbage_kept() -> Iterator[None]:
    """Inside, Python does not look for objects that refer to one another alone.

    For importing large libraries, whose objects all stay: looking through them takes a tenth of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
