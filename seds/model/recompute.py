"""A batch larger than memory: its contrastive loss and gradients, a micro-batch at a time, exactly.

As in GradCache (Gao et al., RepL4NLP 2021, arXiv 2101.06983): all rows are encoded without keeping activations, the
loss sees all tokens, and each micro-batch is encoded once more to carry its tokens' gradients on. torch's activation
checkpointing, applied to a micro-batch, does just that, repeats the same dropout, and needs no second training loop.

Batch normalisation couples the rows, so the pose encoder is not split: its units are checkpointed over the whole batch
(seds.model.pose_encoder.graph_network). The same without micro-batches is plain activation checkpointing, of every
layer.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from seds.model.pose_encoder.batchnorm import untracked

Result = TypeVar("Result")


def recomputed(part: Callable[..., Result], *inputs: Any, norms: nn.Module | None = None) -> Result:
    """part(*inputs), of which the inputs alone are kept; the backward pass computes it once more.

    Dropout drops the same again, and autograd runs through the same operations, so gradients are equal to the bit.
    norms: the module whose batch statistics the first pass counts, so that the second does not.
    """
    if not torch.is_grad_enabled():
        return part(*inputs)

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), nullcontext() if norms is None else untracked(norms)

    return checkpoint(part, *inputs, use_reentrant=False, context_fn=contexts)


def by_parts(function: Callable[..., tuple[Tensor, ...]], size: int | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    """function(*tensors), `size` rows at a time; the backward pass holds the activations of one part only.

    Each row of the results must depend on the same rows of `tensors` alone. size: None = all rows at once, and their
    activations are kept. Costs one more forward pass.
    """
    if size is None:
        return function(*tensors)
    parts = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    results = [recomputed(function, *part) for part in parts]
    return tuple(torch.cat(pieces) for pieces in zip(*results, strict=True))
