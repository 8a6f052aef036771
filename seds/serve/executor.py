"""A thread pool for work that would block the event loop, with a queue of limited length.

PyTorch releases the interpreter's lock during a search, and each search uses one of its threads. So as many searches
run at a time as there are cores; more threads for each would only wait for one another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.exceptions import HTTPException

Result = TypeVar("Result")


class BoundedExecutor:
    """At most `threads` calls run at a time and `queue` wait."""

    def __init__(self, threads: int, queue: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._capacity = threads + queue
        self._pending = 0  # running or waiting

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises. Raises HTTPException 503 where the queue is full."""
        if self._pending >= self._capacity:
            raise HTTPException(503, "the server is busy; try again in a moment", {"Retry-After": "1"})
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pending -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
