"""Weights of the RGB backbone: a checkpoint in the layout of the BSL-1K release, or a fixed random initialisation."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from seds.config import RgbProfile
from seds.errors import first_few
from seds.rgb.i3d import InceptionI3D
from seds.weightfiles import Checkpoint, WeightFileError, find_checkpoint, read_state

PUBLISHED_AT = "https://www.robots.ox.ac.uk/~vgg/research/bslattend/data/bsl5k.pth.tar"
CLASSIFIER = "logits."
COUNTER = ".num_batches_tracked"  # of training steps; inference does not use it, and older files lack it
MOST_LISTED = 20  # tensors in an error


def find_weights(profile: RgbProfile) -> Checkpoint | None:
    """The profile's checkpoint; None for random weights. Raises WeightFileError: no such file, or another sha256."""
    if profile.weights is None:
        return None
    return find_checkpoint(
        Path(profile.weights),
        profile.weights_sha256,
        f"BSL-1K weights are published at {PUBLISHED_AT}; or set rgb.<profile>.weights to null in params.yaml for a "
        "fixed random initialisation",
    )


def load_checkpoint(network: InceptionI3D, path: Path) -> list[str]:
    """Copy a BSL-1K checkpoint into the network. Returns the names of the tensors left out, those of its classifier.

    The file maps names, with or without DataParallel's prefix `module.`, to tensors under the key "state_dict" (or is
    such a state dict itself). It is read without running anything it holds. Raises WeightFileError, which lists every
    missing, unexpected or mis-shaped tensor.
    """
    state = read_state(path)
    classifier = [name for name in state if name.startswith(CLASSIFIER)]
    given = {name: value for name, value in state.items() if name not in classifier and not name.endswith(COUNTER)}
    wanted = {name: value for name, value in network.state_dict().items() if not name.endswith(COUNTER)}
    problems = [
        *(
            f"{name} has shape {_shape(given[name])}, the network's is {_shape(wanted[name])}"
            for name in wanted
            if name in given and given[name].shape != wanted[name].shape
        ),
        *(f"unexpected {name} {_shape(given[name])}" for name in given if name not in wanted),
        *(f"missing {name} {_shape(wanted[name])}" for name in wanted if name not in given),
    ]
    if problems:
        heading = f"{path} does not fit an Inception-I3D of {network.features} features:"
        raise WeightFileError("\n  ".join([heading, *first_few(problems, MOST_LISTED)]))
    network.load_state_dict(given, strict=False)  # strict would miss the counters; everything else is checked above
    return classifier


def read_classifier(path: Path) -> tuple[Tensor, Tensor]:
    """The classifier of a BSL-1K checkpoint, on the features: weight float32 [K,D] and bias [K] of K classes.

    Raises WeightFileError if the file has none.
    """
    state = read_state(path)
    weight, bias = (state.get(f"{CLASSIFIER}conv3d.{part}") for part in ("weight", "bias"))
    if (
        weight is None
        or bias is None
        or weight.numel() != len(weight) * weight.shape[1]
        or bias.shape != weight.shape[:1]
    ):
        raise WeightFileError(
            f"{path} has no classifier of signs ({CLASSIFIER}conv3d.weight [K,D,1,1,1] and .bias [K])"
        )
    return weight.flatten(1).float(), bias.float()


@torch.no_grad()
def initialise(network: InceptionI3D, seed: int) -> None:
    """Fixed random convolutions, the same on every machine. Normalisation stays at the identity.

    Each filter is drawn from a normal distribution, standardised to zero mean over its inputs (Qiao et al., "Weight
    Standardization", 2019) and scaled to keep the variance through the ReLU (Brock et al., NFNets, ICML 2021: gain^2 =
    2 / (1 - 1/pi)). With Kaiming's initialisation the positive mean after each ReLU adds up, so that after 21 layers
    features hardly depend on the clip: over 48 clips of How2Sign they deviate by 0.09 of their mean in 1.4 effective
    dimensions; with this one by 0.47 in 13.
    """
    generator = torch.Generator().manual_seed(seed)
    gain = math.sqrt(2 / (1 - 1 / math.pi))
    for unit in network.units():
        weight = unit.conv3d.weight
        normal = torch.randn(weight.shape, generator=generator)
        deviation, mean = torch.std_mean(normal, dim=(1, 2, 3, 4), keepdim=True)
        weight.copy_((normal - mean) / deviation * gain / math.sqrt(weight[0].numel()))


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
