"""Reading ahead: a thread makes the next items while the caller works on the last one.

It pays where the two do not compete for a core: decoding releases the interpreter's lock, and so does a network, above
all one that runs on a GPU. Where every core has a worker of its own it brings nothing.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterable[T], depth: int) -> Iterator[T]:
    """The same items in the same order, of which up to `depth` are made in advance by a thread.

    Memory: `depth` items beside the one in the caller's hands. An exception of `items` is raised at its place in the
    sequence. The thread starts with the first item asked for, and has ended, with `items` closed if it is a generator,
    when this iterator is exhausted or closed; closing waits for the item in the making. Raises ValueError: depth < 1.
    """
    if depth < 1:
        raise ValueError(f"depth is {depth}, expected at least 1 item ahead")
    return _ahead(items, depth)


class _End:
    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


def _ahead(items: Iterable[T], depth: int) -> Iterator[T]:
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
        except BaseException as error:  # the caller's to handle, whatever it is
            ready.put(_End(error))
        finally:
            if close := getattr(iterator, "close", None):
                close()

    thread = threading.Thread(target=produce, name="read ahead", daemon=True)
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
