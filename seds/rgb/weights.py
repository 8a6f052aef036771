"""Weights of the RGB backbone: a checkpoint in the layout of the BSL-1K release, or a fixed random initialisation."""

from __future__ import annotations

import hashlib
import math
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seds.errors import SedsError
from seds.rgb.i3d import InceptionI3D

PUBLISHED_AT = "https://www.robots.ox.ac.uk/~vgg/research/bslattend/data/bsl5k.pth.tar"
CLASSIFIER = "logits."
COUNTER = ".num_batches_tracked"  # of training steps; takes no part in inference, and older files lack it

# Beside tensors, the release's checkpoints hold their best accuracy, a NumPy scalar. These rebuild a number from its
# bytes and run nothing else; whatever else a pickle may name is refused.
SCALARS = [
    np.core.multiarray.scalar,  # type: ignore[attr-defined]
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64")),
]


class WeightsError(SedsError, ValueError):
    """A checkpoint that is missing, not the expected file, unsafe, or of another network; the message says which."""


def file_sha256(path: str | Path, expected: str | None = None) -> str:
    """Hex digest of a checkpoint. Raises WeightsError: no such file, or not the expected digest."""
    if not Path(path).is_file():
        raise WeightsError(
            f"{path} not found. BSL-1K weights are published at {PUBLISHED_AT}; "
            "or set rgb.<profile>.weights to null in params.yaml for a fixed random initialisation"
        )
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if expected is not None and found != expected.lower():
        raise WeightsError(f"{path}: expected sha256 {expected}, found {found}: another file, or a damaged download")
    return found


def load_checkpoint(network: InceptionI3D, path: str | Path) -> list[str]:
    """Copy a BSL-1K checkpoint into the network; returns the names left out, those of its classifier.

    The file is a dict whose "state_dict" maps names, `module.`-prefixed by DataParallel or not, to tensors. It is read
    without running anything it holds. Raises WeightsError, listing every missing, unexpected or mis-shaped tensor.
    """
    state = {name.removeprefix("module."): value for name, value in _read(path).items()}
    classifier = [name for name in state if name.startswith(CLASSIFIER)]
    given = {name: value for name, value in state.items() if name not in classifier and not name.endswith(COUNTER)}
    wanted = {name: value for name, value in network.state_dict().items() if not name.endswith(COUNTER)}
    complaints = [
        *(f"missing {name} {_shape(wanted[name])}" for name in wanted if name not in given),
        *(f"unexpected {name} {_shape(given[name])}" for name in given if name not in wanted),
        *(
            f"{name} has shape {_shape(given[name])}, the network's is {_shape(wanted[name])}"
            for name in wanted
            if name in given and given[name].shape != wanted[name].shape
        ),
    ]
    if complaints:
        raise WeightsError(
            f"{path} does not fit an Inception-I3D of {network.features} features:\n" + _brief(complaints)
        )
    network.load_state_dict(given, strict=False)  # strict would miss the counters, and all else is checked above
    return classifier


@torch.no_grad()
def initialise(network: InceptionI3D, seed: int) -> None:
    """Fixed random convolutions, the same on every machine; normalisation is left at the identity.

    Each filter is normal, then standardised to zero mean over its inputs (Qiao et al., "Weight Standardization", 2019)
    and scaled to keep the variance through the ReLU (Brock et al., NFNets, ICML 2021: gain^2 = 2 / (1 - 1/pi)). With
    Kaiming's initialisation each ReLU's positive mean is passed on, and after 21 layers features hardly depend on the
    clip: over 48 clips of How2Sign they deviate by 0.09 of their mean in 1.4 effective dimensions; here by 0.47 in 13.
    """
    generator = torch.Generator().manual_seed(seed)
    gain = math.sqrt(2 / (1 - 1 / math.pi))
    for unit in network.units():
        weight = unit.conv3d.weight
        normal = torch.randn(weight.shape, generator=generator)
        deviation, mean = torch.std_mean(normal, dim=(1, 2, 3, 4), keepdim=True)
        weight.copy_((normal - mean) / deviation * gain / math.sqrt(weight[0].numel()))


def _read(path: str | Path) -> Mapping[str, Tensor]:
    try:
        with torch.serialization.safe_globals(SCALARS):
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Only the name is kept of PyTorch's message, which recommends to load the file unsafely.
        named = re.search(r"GLOBAL (\S+)", str(error))
        asks = f"its pickle asks for {named[1]}" if named else "its pickle holds more than a checkpoint does"
        raise WeightsError(f"{path}: {asks}; refused, and nothing of it was run") from None
    except Exception as error:  # a damaged or foreign file raises one of many kinds
        raise WeightsError(f"{path} is not a PyTorch checkpoint ({type(error).__name__}: {error})") from None
    state: Any = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict):
        found = f"a dict of {', '.join(map(repr, checkpoint))}" if isinstance(checkpoint, dict) else type(checkpoint)
        raise WeightsError(f"{path}: expected a dict with 'state_dict', as the BSL-1K release has, found {found}")
    for name, value in state.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            raise WeightsError(f"{path}: state_dict holds {name!r}: {type(value).__name__}, expected names and tensors")
    return state


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))


def _brief(lines: Iterable[str], most: int = 20) -> str:
    lines = list(lines)
    rest = [f"and {len(lines) - most} more"] if len(lines) > most else []
    return "\n".join(f"  {line}" for line in lines[:most] + rest)
