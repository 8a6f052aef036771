"""The optimiser at its edges; test_verify compares its trajectories and its schedule with the recordings."""

import copy

import torch

from seds.training.optim import BertAdam, warmup_cosine


def test_no_warmup_starts_at_the_top():
    assert warmup_cosine(0, 10, 0.0) == 1.0


def test_a_tensor_without_a_gradient_stays():
    used, unused = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    optimiser = BertAdam([used, unused], lr=0.1, weight_decay=0.5)
    optimiser.step()
    assert used.tolist() == [1.0] * 3
    used.grad = torch.ones(3)
    optimiser.step()
    assert (used < 1).all()
    assert unused.tolist() == [1.0] * 3


def test_state_survives_saving():
    p, q = (torch.nn.Parameter(torch.tensor([1.0, 2.0])) for _ in range(2))
    first = BertAdam([p], lr=0.1)
    p.grad = torch.tensor([0.3, -0.2])
    first.step()
    second = BertAdam([q], lr=0.1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))  # as through a file
    q.data.copy_(p.data)
    for parameter, optimiser in ((p, first), (q, second)):
        parameter.grad = torch.tensor([0.1, 0.1])
        optimiser.step()
    torch.testing.assert_close(p, q, rtol=0, atol=0)
