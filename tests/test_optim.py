"""The optimiser's trajectories and its schedule against the recordings."""

import copy
import json

import numpy as np
import pytest
import torch
from recorded import GOLDEN, SMALL
from torch.optim.lr_scheduler import LambdaLR

from seds.model import SEDS
from seds.optim import BertAdam, parameter_groups, warmup_cosine


@pytest.mark.parametrize("case", ["warmup_cosine", "warmup_cosine_f64", "as_in_training"])
def test_recorded_trajectories(case):
    recorded = np.load(GOLDEN / "optimizer.npz")
    settings = json.loads(str(recorded[f"{case}/settings"]))
    params = [torch.nn.Parameter(torch.from_numpy(recorded[f"{case}/p{i}_init"])) for i in (0, 1)]
    extra = settings.get("groups", [{}, {}])
    groups = [{"params": [p], **options} for p, options in zip(params, extra, strict=True)]
    optimiser = BertAdam(groups, settings["lr"], settings["weight_decay"], settings["max_grad_norm"])
    schedule = LambdaLR(optimiser, lambda step: warmup_cosine(step, settings["t_total"], settings["warmup"]))
    limit = 1e-12 if case.endswith("f64") else 1e-6
    for step, rates in enumerate(recorded[f"{case}/get_lr_before_step"]):
        np.testing.assert_allclose([group["lr"] for group in optimiser.param_groups], rates, rtol=1e-12, atol=1e-18)
        for i, p in enumerate(params):
            p.grad = torch.from_numpy(recorded[f"{case}/p{i}_grads"][step])
        optimiser.step()
        schedule.step()
        for i, p in enumerate(params):
            np.testing.assert_allclose(p.detach().numpy(), recorded[f"{case}/p{i}_after"][step], rtol=limit, atol=limit)


def test_recorded_schedule():
    recorded = np.load(GOLDEN / "optimizer.npz")
    factors = [warmup_cosine(x, 1, float(recorded["schedule_warmup"])) for x in recorded["schedule_x"]]
    np.testing.assert_allclose(factors, recorded["schedule/warmup_cosine"], atol=1e-12)


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


def test_groups_equal_the_recorded_ones():
    """Towers at lr x factor, the rest at lr; biases without weight decay: tensor by tensor as in the release."""
    from seds.release import UNUSED, published_name

    keys = json.loads((GOLDEN / "reference_state_dict.json").read_text())
    with torch.device("meta"):
        model = SEDS(SMALL.model_copy(update={"tower_layers": 12, "text_layers": 12}))
    groups = parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-4, 0.1, 0.001)
    where = {id(p): (pytest.approx(group["lr"]), group["weight_decay"]) for group in groups for p in group["params"]}
    ours = {published_name(name): where[id(p)] for name, p in model.named_parameters()}
    recorded = {
        name: keys["optimizer_groups"][key["optimizer_group"]]
        for name, key in keys["keys"].items()
        if key["kind"] == "parameter" and name not in UNUSED
    }
    assert ours.keys() == recorded.keys()
    for name, group in recorded.items():
        assert ours[name] == (group["lr"], group["weight_decay"]), name
