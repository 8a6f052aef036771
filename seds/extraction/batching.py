"""What a network needs of the device it runs on: quick uploads, and batches as large as memory and speed allow."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

_WORTHWHILE = 1.05  # by how much the rows per second have to grow with a batch twice as large

T = TypeVar("T")


class Rows(Protocol):
    """A list, an array or a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice, /) -> Any: ...


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device. To a GPU from pinned memory, so that the copy runs beside the work queued before it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def lag_by_one(results: Iterable[T]) -> Iterator[T]:
    """The same items in the same order, each yielded only after the next one has been requested from `results`.

    Python queues work on a GPU without waiting for it, but fetching a result does wait. With a lag of one, the GPU
    already has its next batch by then.
    """
    waiting: deque[T] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


class BatchRunner:
    """Applies a network to rows, `size` at a time. When memory runs out, the size is halved for good."""

    def __init__(self, size: int) -> None:
        self.size = size

    def map(self, apply: Callable[[Any], T], rows: Rows) -> Iterator[T]:
        """Yields `apply(rows[i:j])` for consecutive slices. Raises torch.OutOfMemoryError if one row is too much."""
        done = 0
        while done < len(rows):
            batch = rows[done : done + self.size]
            try:
                result = apply(batch)
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                self.size = len(batch) // 2
                continue  # once the exception, and with it the tensors of the failed pass, is gone
            done += len(batch)
            yield result


def find_batch_size(
    run: Callable[[int], object],
    *,
    first: int = 8,
    most: int = 256,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """The batch size, in rows, at which a network is fastest and still fits into memory.

    run: one pass over that many rows; returns when it has finished. first: where the search starts; it is doubled while
    the rows per second grow by a twentieth or more, and halved while it does not fit. most: where the search ends.

    Each size is run once to warm up and twice for its time, of which the shorter counts. Raises torch.OutOfMemoryError
    if one row alone is too much.
    """

    def rows_per_second(rows: int) -> float:
        """0 if memory runs out."""
        seconds = []
        try:
            for _ in range(3):
                start = clock()
                run(rows)
                seconds.append(clock() - start)
        except torch.OutOfMemoryError:
            if rows == 1:
                raise
            return 0.0
        return rows / min(seconds[1:])

    size, fastest = first, rows_per_second(first)
    while not fastest:
        size //= 2
        fastest = rows_per_second(size)
    while 2 * size <= most and (doubled := rows_per_second(2 * size)) >= _WORTHWHILE * fastest:
        size, fastest = 2 * size, doubled
    return size
