"""Prefetching: order, bounds, exceptions and the end of its thread."""

import threading
from collections.abc import Iterator

import pytest

from seds.system.prefetch import THREAD, prefetch


def readers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == THREAD]


@pytest.mark.parametrize("depth", [1, 2, 7])
@pytest.mark.parametrize("count", [0, 1, 5, 100])
def test_prefetch_yields_the_same_items_in_order(count: int, depth: int) -> None:
    assert list(prefetch(range(count), depth)) == list(range(count))
    assert not readers()


@pytest.mark.parametrize("depth", [1, 3])
def test_prefetch_works_at_most_depth_items_ahead(depth: int) -> None:
    made: list[int] = []
    enough = threading.Event()
    taken = 0

    def items() -> Iterator[int]:
        for i in range(20):
            made.append(i)
            if i + 1 == min(taken + depth, 20):
                enough.set()
            yield i

    for taken, item in enumerate(prefetch(items(), depth), start=1):
        if taken + depth <= 20:
            while len(made) < taken + depth:  # all of them appear although the caller asks for none
                assert enough.wait(10)
                enough.clear()
        assert item == taken - 1
        assert len(made) <= taken + depth


def test_prefetch_raises_an_exception_at_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("frame 2 is damaged")

    got: list[int] = []
    with pytest.raises(ValueError, match="frame 2 is damaged"):
        got.extend(prefetch(items(), 5))
    assert got == [1, 2]
    assert not readers()


@pytest.mark.parametrize("read", [0, 1, 3])
def test_prefetch_closed_early_ends_thread_and_source(read: int) -> None:
    closed = threading.Event()

    def items() -> Iterator[int]:
        try:
            yield from range(1000)
        finally:
            closed.set()

    source = items()
    frames = prefetch(source, 2)
    for _ in range(read):
        next(frames)
    frames.close()  # type: ignore[attr-defined]
    assert not readers()
    assert closed.is_set() == (read > 0), "what was never begun holds nothing open"


def test_prefetch_reads_nothing_before_the_first_request() -> None:
    frames = prefetch((i for i in range(3)), 2)
    assert not readers()
    assert list(frames) == [0, 1, 2]


def test_prefetch_refuses_a_depth_below_one() -> None:
    with pytest.raises(ValueError, match="depth is 0"):
        prefetch([1], 0)
