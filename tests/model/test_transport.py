"""Optimal transport of Gaussian tokens against a linear programme's limit, plain loops and independence of padding."""

import torch
from scipy.optimize import linprog
from torch.nn import functional as F

from seds.model import transport
from seds.model.transport import GaussianTokens

GENERATOR = torch.Generator().manual_seed(0)


def unit(*shape):
    return F.normalize(torch.randn(*shape, generator=GENERATOR, dtype=torch.float64), dim=-1)


def test_transport_has_even_marginals_and_approaches_the_linear_programme(monkeypatch):
    cost = torch.rand(3, 2, 2, generator=GENERATOR, dtype=torch.float64)
    monkeypatch.setattr(transport, "STEADY", 0.0)
    monkeypatch.setattr(transport, "ITERATIONS", 5000)
    monkeypatch.setattr(transport, "REGULARISATION", 0.005)
    plans = transport.transport(cost)
    torch.testing.assert_close(plans.sum(-1), torch.full((3, 2), 0.5, dtype=torch.float64))
    torch.testing.assert_close(plans.sum(-2), torch.full((3, 2), 0.5, dtype=torch.float64))
    marginals = [[1, 1, 0, 0], [0, 0, 1, 1], [1, 0, 1, 0], [0, 1, 0, 1]]
    for plan, one in zip(plans, cost, strict=True):
        least = linprog(one.flatten().numpy(), A_eq=marginals, b_eq=[0.5] * 4).fun
        assert least - 1e-9 <= (plan * one).sum().item() < least + 0.01


def test_similarity_equals_sinkhorn_in_plain_loops():
    video, text = unit(2, 2, 4), unit(3, 2, 4)
    cosines = [
        [[[(video[a, v] @ text[b, t]).item() for t in range(2)] for v in range(2)] for b in range(3)] for a in range(2)
    ]
    kernel = torch.exp(-(1 - torch.tensor(cosines, dtype=torch.float64)) / 0.1)
    r = c = torch.ones(2, 3, 2, dtype=torch.float64)
    for _ in range(100):
        before = r.clone()
        r = torch.stack([0.5 / sum(kernel[..., v, t] * c[..., t] for t in range(2)) for v in range(2)], -1)
        c = torch.stack([0.5 / sum(kernel[..., v, t] * r[..., v] for v in range(2)) for t in range(2)], -1)
        if sum(abs(x) for x in (r - before).flatten().tolist()) / r.numel() < 1e-2:
            break
    found = transport.similarity(video, text)
    for a in range(2):
        for b in range(3):
            moved = [
                [(r[a, b, v] * kernel[a, b, v, t] * c[a, b, t]).item() * cosines[a][b][v][t] for t in range(2)]
                for v in range(2)
            ]
            of_text = sum(max(moved[v][t] for v in range(2)) for t in range(2)) / 2
            of_video = sum(max(moved[v][t] for t in range(2)) for v in range(2)) / 2
            torch.testing.assert_close(found[a, b].item(), (of_text + of_video) / 2, rtol=1e-9, atol=0)


def gaussian():
    torch.manual_seed(1)
    module = GaussianTokens(16, 4).double().eval()
    module.noise = lambda mean: torch.sin(100 * mean)
    return module


def test_samples_do_not_depend_on_padding_and_skip_first_tokens():
    module, x = gaussian(), unit(2, 5, 16)
    valid = torch.tensor([[True] * 5, [True, True, True, False, False]])
    found = module.samples(x, valid, masked=True)
    more = module.samples(torch.cat([x, unit(2, 3, 16)], 1), F.pad(valid, (0, 3)), masked=True)
    torch.testing.assert_close(more, found)
    mean, log_deviation = module(x[1:, :3], valid[1:, :3], True)
    drawn = mean + log_deviation.exp() * torch.sin(100 * mean)
    for place, tokens in enumerate((mean, drawn)):
        torch.testing.assert_close(found[1, place], F.normalize(tokens[0].mean(0), dim=-1))
        later = module.samples(x, valid, True, skipped=1)[1, place]
        torch.testing.assert_close(later, F.normalize(tokens[0, 1:].mean(0), dim=-1))


def test_gradient_of_the_similarity_reaches_every_parameter():
    module, x = gaussian(), unit(3, 4, 16)
    drawn = module.samples(x, torch.ones(3, 4, dtype=torch.bool), True)
    (transport.similarity(drawn, unit(3, 2, 16)) * torch.eye(3)).sum().backward()
    # What is added to all keys alike changes no attention.
    assert [name for name, p in module.named_parameters() if not p.grad.any()] == []
