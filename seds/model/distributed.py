"""Training in several processes, one per GPU, as torchrun starts them: N processes equal one (SPEC 10).

Each process encodes its rows of a batch and computes the loss of the whole batch from gathered rows, so every process
has the same loss. Their backward passes together give N times its gradient; DistributedDataParallel averages, which
leaves the gradient.
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
    """Run `python -m module arguments` in one process per GPU if this machine has several; whether it did.

    False under torchrun, which has already started its processes, and with a single device: the caller then continues
    by itself.
    """
    gpus = torch.cuda.device_count() if device == "cuda" else 0
    if gpus < 2 or dist.is_torchelastic_launched():
        return False
    from torch.distributed import run  # torchrun

    run.main(["--standalone", f"--nproc-per-node={gpus}", "--module", module, *arguments])
    return True


@contextmanager
def joined(device: str) -> Iterator[str]:
    """Inside, this process is in a process group with those that torchrun started, if it did; yields its device.

    device: "cpu" (backend gloo) or "cuda" (backend nccl), which becomes "cuda:0", "cuda:1", ...
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


def local_rows(rows: int) -> slice:
    """The rows of a batch of `rows` that this process encodes; no process has more than one row more than another."""
    here, processes = rank(), world_size()
    return slice(rows * here // processes, rows * (here + 1) // processes)


def broadcast(value: Any) -> Any:
    """The value of rank 0, in every process."""
    if world_size() == 1:
        return value
    box = [value]
    dist.broadcast_object_list(box)
    return box[0]


def broadcast_(x: Tensor, device: torch.device) -> None:
    """Overwrite x in every process with that of rank 0. device: of the process group's backend."""
    if world_size() > 1:
        sent = x.detach().to(device, copy=True)
        dist.broadcast(sent, 0)
        x.detach().copy_(sent)


def all_max(value: int, device: torch.device) -> int:
    """The largest value of any process, in every process. device: of the process group's backend."""
    if world_size() == 1:
        return value
    largest = torch.tensor(value, device=device)
    dist.all_reduce(largest, dist.ReduceOp.MAX)
    return int(largest)


def row_counts(rows: int, device: torch.device) -> list[int]:
    """The number of rows of each process, by rank. rows: of this process; device: of the process group's backend."""
    if world_size() == 1:
        return [rows]
    counts = torch.zeros(world_size(), dtype=torch.int64, device=device)
    counts[rank()] = rows
    dist.all_reduce(counts)
    return [int(count) for count in counts.tolist()]


def gather(x: Tensor, counts: Sequence[int]) -> Tensor:
    """The rows of all processes, by rank; differentiable. x: [counts[rank], ...] -> [sum of counts, ...].

    A sum of zero-padded rows: unlike all_gather it takes unequal counts and, since `all_sum` is differentiable, needs
    no backward pass of its own. It sends about twice the bytes, of tokens only.
    """
    if len(counts) == 1:
        return x
    before, after = sum(counts[: rank()]), sum(counts[rank() + 1 :])
    numbers = x.to(torch.uint8) if x.dtype == torch.bool else x
    return all_sum(F.pad(numbers, (0, 0) * (x.dim() - 1) + (before, after))).to(x.dtype)


def all_sum(x: Tensor) -> Tensor:
    """The sum of x over the processes, in every process; x itself for one process. Differentiable.

    torch.distributed.nn.functional has the same, but is deprecated, and its recommended replacement is private.
    """
    return x if world_size() == 1 else _AllSum.apply(x)


class _AllSum(torch.autograd.Function):
    """Each process adds its x to the result of every process, so the gradients of all results add up."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        result = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return all_sum(gradient)
