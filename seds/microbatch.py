"""A batch larger than memory: its contrastive loss and gradients, a micro-batch at a time, exactly.

As in GradCache (Gao et al., RepL4NLP 2021, arXiv 2101.06983): all rows are encoded without keeping activations, the
loss sees all tokens, and each micro-batch is encoded once more to carry its tokens' gradients on. torch's activation
checkpointing, applied to a micro-batch, does just that, repeats the same dropout, and needs no second training loop.

Batch normalisation couples the rows, so the pose encoder is not split: its units are checkpointed over the whole batch
(seds.pose.graph_network).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def by_parts(function: Callable[..., tuple[Tensor, ...]], size: int | None, *tensors: Tensor) -> tuple[Tensor, ...]:
    """function(*tensors), `size` rows at a time; the backward pass holds the activations of one part only.

    Each row of the results must depend on the same rows of `tensors` alone. size: None = all rows at once, and their
    activations are kept. Costs one more forward pass.
    """
    if size is None:
        return function(*tensors)
    parts = zip(*(tensor.split(size) for tensor in tensors), strict=True)
    results = [checkpoint(function, *part, use_reentrant=False) for part in parts]
    return tuple(torch.cat(pieces) for pieces in zip(*results, strict=True))
