"""Random initial weights are repeatable and of the right size."""

import torch
from helpers.recorded import SMALL
from torch.nn import functional as F

from seds.model.initialisation import initialise
from seds.model.seds import SEDS


def _initialised(seed):
    model = SEDS(SMALL)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def test_initial_weights_depend_on_the_generator_alone():
    torch.manual_seed(1)
    first = _initialised(5).state_dict()
    torch.manual_seed(2)
    second = _initialised(5).state_dict()
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name
    other = _initialised(6).state_dict()
    drawn = [name for name in first if name.endswith(".weight") and first[name].std() > 0]
    assert len(drawn) >= 90
    assert not any(torch.equal(first[name], other[name]) for name in drawn)


def test_initial_biases_are_zero_and_norms_neutral():
    for name, p in _initialised(0).named_parameters():
        assert p.isfinite().all(), name
        if name.endswith("bias") or ".offsets." in name:
            assert not p.any(), name
        elif p.dim() == 1 and "class" not in name:
            assert (p == 1).all(), name  # normalisations
        elif p.dim():
            assert p.std() > 0, name


def test_initial_window_tokens_neither_vanish_nor_explode():
    model = _initialised(0).train()
    joints = [256 * torch.rand(2, 30, n, 2, generator=torch.Generator().manual_seed(n)) for n in (21, 20, 7)]
    joints[1] = F.pad(joints[1], (0, 0, 0, 1))
    starts = torch.arange(15).expand(2, 15)
    tokens = model.pose_encoder(*joints, torch.tensor([30, 30]), starts, padded=False)
    assert 0.05 < tokens.std() < 5
