"""Where work that blocks is done: a few threads, one a core, and a queue that says no when it is full.

The networks of a search release the interpreter's lock. Each runs in one of PyTorch's own threads, as many searches as
there are cores at a time: more threads for each would only wait for one another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from seds.serve.problem import busy

Result = TypeVar("Result")


class BoundedExecutor:
    """`threads` at work, `queue` waiting."""

    def __init__(self, threads: int, queue: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._room = threads + queue
        self._inside = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` gives, and raises. Raises Problem 503 where the queue is full."""
        if self._inside >= self._room:
            raise busy("too many ask at a time; try again in a moment", 1)
        self._inside += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._inside -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
