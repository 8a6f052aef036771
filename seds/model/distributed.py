"""Training in several processes, one a GPU, as torchrun starts them: N processes equal one (SPEC 10).

Each process encodes its rows of a batch and computes the loss of the whole batch from gathered rows, so all hold the
same loss. What their backward passes then sum over the processes is N times its gradient, and the average that
DistributedDataParallel takes is the gradient.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn import functional as F


def launched(module: str, *arguments: str, device: str) -> bool:
    """Whether `python -m module arguments` was run here, in one process a GPU, because there are several.

    False under torchrun, which has started as many processes as it was told, and on one device: the caller goes on.
    """
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    if gpus < 2 or dist.is_torchelastic_launched():
        return False
    from torch.distributed import run  # torchrun

    run.main(["--standalone", f"--nproc-per-node={gpus}", "--module", module, *arguments])
    return True


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Inside, this process works with those that torchrun started beside it, if it did; yields its own device.

    device: "cpu" (joined by gloo) or "cuda" (joined by nccl), which becomes "cuda:0", "cuda:1", ...
    """
    if not dist.is_torchelastic_launched():
        yield device
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("gloo" if device == "cpu" else "nccl")
    try:
        yield device
    finally:
        dist.destroy_process_group()


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def share(rows: int) -> slice:
    """The rows of a batch that are this process'; a process has at most one more than another."""
    here, processes = rank(), world_size()
    return slice(rows * here // processes, rows * (here + 1) // processes)


def first(value: Any) -> Any:
    """The first process' value, in all of them."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def copy_of_first(x: Tensor, device: torch.device) -> None:
    """Write the first process' x into every other's, in place. device: by which the processes are joined."""
    if world_size() > 1:
        sent = x.detach().to(device, copy=True)
        dist.broadcast(sent, 0)
        x.detach().copy_(sent)


def most(value: int, device: torch.device) -> int:
    """The largest of the processes' values, in all of them."""
    if world_size() == 1:
        return value
    largest = torch.tensor(value, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def row_counts(rows: int, device: torch.device) -> list[int]:
    """The number of rows of each process, in order of rank. rows: those of this one."""
    if world_size() == 1:
        return [rows]
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    counts[rank()] = rows
    dist.all_reduce(counts)
    return [int(count) for count in counts.tolist()]


def gather(x: Tensor, counts: Sequence[int]) -> Tensor:
    """The rows of all processes in order of rank. x: [counts[rank], ...] -> [sum of counts, ...].

    A sum of zero-padded rows: unlike all_gather it takes unequal counts and, `summed` being differentiable, needs no
    backward pass of its own. It sends about twice the bytes, of tokens only.
    """
    if len(counts) == 1:
        return x
    before, after = sum(counts[: rank()]), sum(counts[rank() + 1 :])
    numbers = x.to(torch.uint8) if x.dtype == torch.bool else x
    return summed(F.pad(numbers, (0, 0) * (x.dim() - 1) + (before, after))).to(x.dtype)


def summed(x: Tensor) -> Tensor:
    """The sum of x over the processes, differentiable; x itself for one process.

    torch.distributed.nn.functional has the same, but is deprecated, and what it points to instead is private.
    """
    return x if world_size() == 1 else _Sum.apply(x)


def total(x: Tensor) -> Tensor:
    """The sum of x over the processes, which autograd does not see; x itself for one process."""
    if world_size() == 1:
        return x
    result = x.clone(memory_format=torch.contiguous_format)
    dist.all_reduce(result)
    return result


class _Sum(torch.autograd.Function):
    """Every process adds its x to every process' result, so the gradients of all results add up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return total(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return total(gradient)
