"""Prefetching: a thread produces the next items while the caller works on the current one.

It helps where the two do not compete for a core: decoding releases Python's interpreter lock, and so does a network,
above all one that runs on a GPU. Where every core already has a worker it gains nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")

THREAD = "prefetch"  # name of the thread


def prefetch(items: Iterable[T], depth: int) -> Iterator[T]:
    """The same items in the same order, up to `depth` of them produced in advance by a thread.

    Memory: `depth` items beside the one the caller holds. An exception raised by `items` reaches the caller at its
    place in the sequence. The thread starts when the first item is requested. When this iterator is exhausted or
    closed, the thread has ended and has closed `items` if it is a generator; closing waits for the item being produced.
    Raises ValueError if depth < 1.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}, expected at least 1 item ahead")
    return _prefetch(items, depth)


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _prefetch(items: Iterable[T], depth: int) -> Iterator[T]:
    room = threading.Semaphore(depth)
    ready: queue.SimpleQueue[T | _End] = queue.SimpleQueue()
    stopped = threading.Event()

    def produce() -> None:
        iterator = iter(items)
        try:
            while room.acquire() and not stopped.is_set():
                ready.put(next(iterator))
        except StopIteration:
            ready.put(_End())
        except BaseException as error:  # for the caller to handle, whatever it is
            ready.put(_End(error))
        finally:
            if close := getattr(iterator, "close", None):
                close()

    thread = threading.Thread(target=produce, name=THREAD, daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stopped.set()
        room.release()
        thread.join()
