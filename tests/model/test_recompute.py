"""Activations that are computed again rather than kept; test_distributed has micro-batches against the whole batch."""

import pytest
import torch
from helpers.batches import random_batch
from helpers.recorded import SMALL
from torch import Tensor

from seds.config import Losses
from seds.model.initialisation import initialise
from seds.model.seds import SEDS

FRAMES, WORDS = (16, 40, 9, 25, 33), (5, 12, 3, 9, 32)
LOSSES = Losses(distill_pose=0.5, distill_rgb=0.5)


def step(recompute: bool, numerics: str, micro_batch: int | None, half: bool) -> tuple[dict[str, Tensor], int]:
    """Losses, gradients and buffers of a training step with dropout; bytes that the forward pass kept."""
    model = SEDS(SMALL, numerics)
    initialise(model, torch.Generator().manual_seed(0))
    model.train().set_activation_checkpointing(recompute, micro_batch)
    batch = random_batch(FRAMES, WORDS, extra=(0, SMALL.max_windows - 25, 0) if numerics == "published" else (0, 0, 0))
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=half):
        parts = model(batch, LOSSES)
    parts["total"].backward()
    tensors = dict(parts) | dict(model.named_buffers())
    tensors |= {f"gradient of {name}": p.grad for name, p in model.named_parameters()}
    weights = {p.untyped_storage().data_ptr() for p in model.parameters()}
    return tensors, sum(size for place, size in kept.items() if place not in weights)


@pytest.mark.parametrize(
    ("numerics", "micro_batch", "half"),
    [("default", None, False), ("published", None, False), ("default", 2, False), ("default", None, True)],
)
def test_checkpointed_step_equals_the_plain_one_to_the_bit(numerics: str, micro_batch: int | None, half: bool) -> None:
    (kept, much), (again, little) = (step(recompute, numerics, micro_batch, half) for recompute in (False, True))
    assert set(kept) == set(again)
    assert [name for name, tensor in kept.items() if not tensor.equal(again[name])] == []
    if micro_batch is None:  # else only a part's backward pass holds less
        assert little < 0.2 * much
