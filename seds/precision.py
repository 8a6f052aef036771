"""Half precision: which operations use it, and where its results return to float32.

Sums and softmaxes are never computed in half precision. Under autocast the results of matrix products are, so they are
converted before anything is summed.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seds.config import Precision


def to_float32(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; float32 and float64 unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Convolutions and matrix products in that precision; "float32" changes nothing."""
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
