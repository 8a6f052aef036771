"""Matrix products in half precision, everything after them in float32: sums and softmaxes need more than 8 bits."""

from __future__ import annotations

import torch
from torch import Tensor

from seds.config import Precision


def to_float32(x: Tensor) -> Tensor:
    """float16 and bfloat16 as float32; float32 and float64 unchanged."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def autocast(device: torch.device, precision: Precision) -> torch.autocast:
    """torch.autocast for convolutions and matrix products; with "float32" it changes nothing."""
    return torch.autocast(device.type, getattr(torch, precision), enabled=precision != "float32")
