"""Label smoothing and hard negatives against their formulas, one term at a time in float64."""

import math

import pytest
import torch

from seds.model.contrast import contrastive

LOGITS = 3 * torch.randn(5, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
OUT = torch.zeros(5, 5, dtype=torch.bool)
OUT[0, 2] = OUT[2, 0] = True


def spelled_out(logits, out, smoothing, hardness):
    losses = []
    for i, row in enumerate(logits.tolist()):
        negatives = [j for j in range(len(row)) if j != i and not out[i, j]]
        weights = {j: math.exp(hardness * row[j]) for j in negatives}
        total = sum(weights.values())
        terms = {j: len(negatives) * weights[j] / total * math.exp(row[j]) for j in negatives} | {i: math.exp(row[i])}
        log_p = {j: math.log(term / sum(terms.values())) for j, term in terms.items()}
        losses.append(-(1 - smoothing) * log_p[i] - smoothing * sum(log_p.values()) / len(log_p))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("not_negatives", [None, OUT])
@pytest.mark.parametrize(("smoothing", "hardness"), [(0.2, 0.0), (0.0, 1.0), (0.0, 0.5), (0.1, 1.0), (0.0, 0.0)])
def test_contrastive_loss_equals_its_formula(smoothing, hardness, not_negatives):
    logits = LOGITS.clone().requires_grad_()
    loss = contrastive(logits, not_negatives, smoothing, hardness)
    out = torch.zeros_like(OUT) if not_negatives is None else not_negatives
    assert loss.item() == pytest.approx(spelled_out(LOGITS, out, smoothing, hardness), rel=1e-12)
    assert torch.autograd.gradcheck(
        lambda x: contrastive(x, not_negatives, smoothing, hardness), logits, raise_exception=True
    )


def test_label_smoothing_equals_that_of_torch_where_all_are_negatives():
    expected = torch.nn.functional.cross_entropy(LOGITS, torch.arange(5), label_smoothing=0.2)
    torch.testing.assert_close(contrastive(LOGITS, smoothing=0.2), expected)


def test_rows_without_negatives_have_no_loss_and_no_gradient():
    logits = LOGITS[:3, :3].clone().requires_grad_()
    loss = contrastive(logits, ~torch.eye(3, dtype=torch.bool), 0.2, 1.0)
    loss.backward()
    assert loss.item() == 0
    assert not logits.grad.any()
