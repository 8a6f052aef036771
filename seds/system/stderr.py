"""Native libraries that print to stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def suppress_native_stderr() -> Iterator[None]:
    """Discards what MediaPipe's C++ code prints while its networks load: a dozen lines a video, none of them an error.

    It logs before its logging library is set up, so no log level applies, and only the file descriptor can be
    redirected. Errors arrive as exceptions.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(devnull)
        os.close(stderr)
