"""What a network wants of the device it runs on: half precision, quick uploads, and batches as large as pay."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor

T = TypeVar("T")


class Rows(Protocol):
    """A list, an array, a tensor."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> Any: ...


def upload(array: np.ndarray, device: torch.device) -> Tensor:
    """The array on the device. To a GPU from pinned memory, so that the copy runs beside the work queued before it."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def one_behind(results: Iterable[T]) -> Iterator[T]:
    """The same items, each handed on when the next has been asked for.

    A GPU works on what was queued while Python goes on, and fetching a result waits for it. Fetched one behind, the
    GPU has its next batch by then.
    """
    waiting: deque[T] = deque()
    for result in results:
        waiting.append(result)
        if len(waiting) > 1:
            yield waiting.popleft()
    yield from waiting


class Batches:
    """Applies a network to rows, `size` at a time. The size is halved, for good, when memory does not suffice."""

    def __init__(self, size: int) -> None:
        self.size = size

    def map(self, apply: Callable[[Any], T], rows: Rows) -> Iterator[T]:
        """Yields `apply(rows[i:j])` of consecutive slices. Raises torch.OutOfMemoryError when one row is too much."""
        done = 0
        while done < len(rows):
            part = rows[done : done + self.size]
            try:
                result = apply(part)
            except torch.OutOfMemoryError:
                if len(part) == 1:
                    raise
                self.size = len(part) // 2
                continue  # after the exception, and with it the tensors of the failed pass, is gone
            done += len(part)
            yield result


def find_batch(
    run: Callable[[int], object],
    *,
    first: int = 8,
    most: int = 256,
    gain: float = 1.05,
    clock: Callable[[], float] = time.perf_counter,
) -> int:
    """The number of rows a batch at which a network is fastest, as far as memory goes.

    run    one pass over so many rows, which returns when it is done
    first  doubled as long as the rows a second rise by the factor `gain`, and halved while not even it fits
    most   the end of the search

    A size is run once to warm up, and of two more runs the faster counts. Raises torch.OutOfMemoryError when one row is
    too much.
    """

    def speed(rows: int) -> float:
        """Rows a second; 0 where memory does not suffice."""
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

    size, fastest = first, speed(first)
    while not fastest:
        size //= 2
        fastest = speed(size)
    while 2 * size <= most and (twice := speed(2 * size)) >= gain * fastest:
        size, fastest = 2 * size, twice
    return size
