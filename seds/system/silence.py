"""Silence for MediaPipe's C++ code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Silences what MediaPipe's C++ code prints while networks load: a dozen lines a video, no error among them.

    It logs before its logging library is set up, where no level applies; only the file descriptor is left to turn.
    Errors arrive as exceptions.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
