"""Batches, the search for their size, and results that lag by one."""

import pytest
import torch

from seds.extraction.batching import BatchRunner, find_batch_size, lag_by_one, upload
from seds.precision import autocast


def out_of_memory() -> None:
    raise torch.OutOfMemoryError("out of memory")


class Device:
    """A device of so much memory, which does `parallel` rows in the time of one; its clock counts what it did."""

    def __init__(self, memory: int, parallel: int) -> None:
        self.memory, self.parallel, self.seconds, self.asked = memory, parallel, 0.0, []

    def run(self, rows: int) -> None:
        self.asked.append(rows)
        if rows > self.memory:
            out_of_memory()
        self.seconds += -(-rows // self.parallel)

    def clock(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("memory", "parallel", "found"),
    [(1000, 64, 64), (1000, 10_000, 512), (40, 64, 32), (5, 64, 4), (1, 64, 1), (1000, 1, 8)],
)
def test_batch_size_grows_while_it_is_faster_and_fits(memory: int, parallel: int, found: int) -> None:
    device = Device(memory, parallel)
    assert find_batch_size(device.run, most=512, clock=device.clock) == found
    assert max(device.asked) <= 512


def test_batch_of_one_row_that_does_not_fit_is_an_error() -> None:
    device = Device(0, 1)
    with pytest.raises(torch.OutOfMemoryError):
        find_batch_size(device.run, clock=device.clock)
    with pytest.raises(torch.OutOfMemoryError):
        list(BatchRunner(4).map(lambda part: out_of_memory(), [1, 2, 3]))


def test_batch_size_is_found_for_a_real_network() -> None:
    network = torch.nn.Linear(64, 64)
    with torch.inference_mode():
        size = find_batch_size(lambda rows: network(torch.zeros(rows, 64)), first=4, most=64)
    assert size in (4, 8, 16, 32, 64)


@pytest.mark.parametrize("memory", [100, 16, 7, 2, 1])
def test_batches_shrink_to_what_fits_and_lose_no_row(memory: int) -> None:
    device, batches = Device(memory, 1), BatchRunner(16)
    rows = torch.arange(45.0)

    def double(part: torch.Tensor) -> torch.Tensor:
        device.run(len(part))
        return 2 * part

    assert torch.equal(torch.cat(list(batches.map(double, rows))), 2 * rows)
    assert batches.size <= memory
    assert sum(size > memory for size in device.asked) <= 4, "what did not fit is not tried again"


def test_batches_pass_other_errors_on() -> None:
    def broken(_: object) -> None:
        raise RuntimeError("shapes differ")

    with pytest.raises(RuntimeError, match="shapes differ"):
        list(BatchRunner(4).map(broken, [1, 2]))
    with pytest.raises(RuntimeError, match="shapes differ"):
        find_batch_size(broken)


def test_lag_by_one_requests_the_next_before_it_yields() -> None:
    asked = []

    def results():
        for i in range(4):
            asked.append(i)
            yield i

    late = lag_by_one(results())
    assert next(late) == 0
    assert asked == [0, 1]
    assert list(late) == [1, 2, 3]
    assert list(lag_by_one([])) == []


def test_autocast_decides_the_precision_of_products() -> None:
    device = torch.device("cpu")
    x = torch.rand(4, 4)
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16), ("float16", torch.float16)):
        with autocast(device, precision):
            assert (x @ x).dtype == dtype


def test_upload_keeps_the_array() -> None:
    array = torch.rand(3, 2).numpy()
    assert (upload(array, torch.device("cpu")).numpy() == array).all()
