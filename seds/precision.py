"""Half precision stays out of sums and softmaxes: under autocast, what follows a matrix product is widened here."""

from __future__ import annotations

import torch
from torch import Tensor

from seds.config import Precision


def widened(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """Convolutions and matrix products in that precision; "float32" changes nothing."""
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
