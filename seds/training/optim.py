"""The optimiser of BERT as released: Adam without bias correction (SPEC 9)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.98)
EPS = 1e-6
LATE_STEP = 2.0**40  # adding one changes nothing in float32


def parameter_groups(
    clip: Iterable[tuple[str, nn.Parameter]],
    rest: Iterable[tuple[str, nn.Parameter]],
    lr: float,
    lr_clip: float,
    weight_decay: float,
) -> list[dict[str, Any]]:
    """Four groups: towers (lr x lr_clip) and the rest (lr), each split into biases (no weight decay) and others."""
    groups = []
    for named, rate in ((list(clip), lr * lr_clip), (list(rest), lr)):
        biases = [p for name, p in named if name.endswith("bias")]
        others = [p for name, p in named if not name.endswith("bias")]
        groups += [
            {"params": others, "lr": rate, "weight_decay": weight_decay},
            {"params": biases, "lr": rate, "weight_decay": 0.0},
        ]
    return groups


def warmup_cosine(step: int, steps: int, warmup: float) -> float:
    """Factor on the learning rate before step `step` (0-based) of `steps`: linear from 0, then 0.5 (1 + cos(pi x)).

    x = step / steps, counted from the beginning: the factor drops from 1 to 0.5 (1 + cos(pi warmup)) as warm-up ends.
    """
    x = step / steps
    if x < warmup:
        return x / warmup
    return 0.5 * (1 + math.cos(math.pi * x))


class BertAdam(torch.optim.AdamW):
    """AdamW without bias correction; each tensor's gradient is clipped by its own norm.

    p -= lr (m / (sqrt(v) + eps) + weight_decay p). torch's fused AdamW computes that in one pass if it starts at a step
    so late that its corrections 1 - beta^step are exactly 1. Clipping all gradients by their common norm comes before,
    and is left to the caller: torch.nn.utils.clip_grad_norm_.
    """

    def __init__(self, params: Any, lr: float = 1e-4, weight_decay: float = 0.0, clip_norm: float | None = 1.0) -> None:
        """params: parameters or groups, already on their device; clip_norm: per tensor, None = no clipping."""
        super().__init__(params, lr=lr, betas=BETAS, eps=EPS, weight_decay=weight_decay, fused=True)
        self.clip_norm = clip_norm
        for group in self.param_groups:
            for p in group["params"]:
                self.state[p] = {
                    "step": torch.tensor(LATE_STEP, dtype=torch.float32, device=p.device),
                    "exp_avg": torch.zeros_like(p),
                    "exp_avg_sq": torch.zeros_like(p),
                }

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        grads = [p.grad for group in self.param_groups for p in group["params"] if p.grad is not None]
        if self.clip_norm is not None and grads:
            norms = torch.stack(torch._foreach_norm(grads))
            torch._foreach_mul_(grads, list((self.clip_norm / (norms + 1e-6)).clamp(max=1.0).unbind()))
        super().step()
        return loss
