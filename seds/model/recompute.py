"""A batch larger than memory: activations are computed again in the backward pass instead of kept, exactly.

Micro-batches work as in GradCache (Gao et al., RepL4NLP 2021, arXiv 2101.06983): all rows are encoded without keeping
activations, the loss sees all tokens, and each micro-batch is encoded once more to propagate the gradients of its
tokens. Activation checkpointing of a micro-batch does exactly that, repeats the same dropout, and needs no second
training loop.

Batch normalisation couples the rows, so the pose encoder is not split: each of its units is checkpointed over the whole
batch (seds.model.pose_encoder.graph_network). Without micro-batches, every layer can be checkpointed the same way.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seds.model.pose_encoder.norm_relu_dropout import frozen_statistics

Result = TypeVar("Result")


def checkpointed(function: Callable[..., Result], *inputs: Any, norms: nn.Module | None = None) -> Result:
    """function(*inputs), keeping only the inputs for the backward pass, which computes the function again.

    Dropout repeats and autograd sees the same operations, so gradients are equal to the bit. norms: the module whose
    running statistics the first pass updates and the second must not.
    """
    if not torch.is_grad_enabled():
        return function(*inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), nullcontext() if norms is None else frozen_statistics(norms)

    return checkpoint(function, *inputs, use_reentrant=False, context_fn=contexts)


def in_micro_batches(
    function: Callable[..., tuple[Tensor, ...]], size: int | None, *tensors: Tensor
) -> tuple[Tensor, ...]:
    """function(*tensors), `size` rows at a time; the backward pass holds the activations of one micro-batch only.

    Costs one more forward pass. Each row of the results must depend on the same rows of `tensors` alone. size: None =
    all rows at once, activations kept.
    """
    if size is None:
        return function(*tensors)
    micro_batches = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    results = [checkpointed(function, *rows) for rows in micro_batches]
    return tuple(torch.cat(pieces) for pieces in zip(*results, strict=True))
