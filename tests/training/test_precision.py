"""Training in half precision, on the CPU as on a GPU: what is multiplied in it, and what never is."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.batches import random_batch
from helpers.corpus import RULES, SIZES, WORDS, write_corpus
from helpers.recorded import SMALL
from torch import Tensor

from seds.config import Losses, Train, TrainProfile
from seds.data.split import load_split
from seds.model.fusion import GlossFusion
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from seds.model.towers import Block
from seds.training import fitting, optim
from seds.training.loop import Recipe
from seds.training.run_state import Values

ONE = SIZES.model_copy(update={"streams": "pose"})


def test_half_precision_is_used_for_products_and_not_for_sums() -> None:
    model = SEDS(SMALL)
    initialise(model, torch.Generator().manual_seed(0))
    seen: dict[str, set[torch.dtype]] = {}

    def note(name: str, *tensors: Tensor) -> None:
        seen.setdefault(name, set()).update(tensor.dtype for tensor in tensors)

    for module in model.modules():
        if isinstance(module, Block):
            module.expand.register_forward_hook(lambda _m, _i, y: note("perceptron", y))
            module.attention.qkv.register_forward_hook(lambda _m, _i, y: note("queries, keys, values", y))
            module.register_forward_hook(lambda _m, inputs, y: note("residual stream", inputs[0], y))
        if isinstance(module, GlossFusion):
            module.register_forward_hook(lambda _m, inputs, y: note("fusion", *inputs[:2], y))
            module.mix_1.register_forward_hook(lambda _m, _i, y: note("fusion", y))
    batch = random_batch((16, 40, 9, 25), (5, 12, 3, 9))
    with torch.autocast("cpu", torch.bfloat16):
        parts = model.train()(batch, Losses(distill_pose=0.5, distill_rgb=0.5))
    assert seen == {
        "perceptron": {torch.bfloat16},
        "queries, keys, values": {torch.bfloat16},
        "residual stream": {torch.float32},
        "fusion": {torch.float32},
    }
    assert {part.dtype for part in parts.values()} == {torch.float32}
    parts["total"].backward()
    groups = optim.parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-3, 1.0, 0.001)
    optimiser = optim.BertAdam(groups)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser.step()
    for name, p in model.named_parameters():
        state = optimiser.state[p]
        assert {p.dtype, p.grad.dtype, state["exp_avg"].dtype, state["exp_avg_sq"].dtype} == {torch.float32}, name
        # Steps of a thousandth are below half precision's grain of one in 256: it would round them away.
        assert not p.equal(before[name]) or not p.grad.any(), name


def test_half_precision_keeps_losses_and_gradients(tmp_path: Path) -> None:
    """One step in either precision, of the same weights, batch and dropout.

    In 36 such pairs (three seeds, one stream and both, with dropout and without, and the arithmetic of AVX-512 with
    bfloat16, AVX2 and SSE4.1) parts of the loss differed by 0.4 %, that of the matching by 1.2 %; gradients, over the
    norm of single precision's, by 0.12, and the pose encoder's, where rounding opens and shuts ReLUs, by 0.57.
    """
    write_corpus(tmp_path, {"train": 1})
    split = load_split("toy", "train", RULES, SIZES, "default", tmp_path)
    ((_, batch),) = split.training_batches(len(WORDS), 0.0, np.random.default_rng(0))
    losses, gradients = [], []
    for half in (True, False):
        model = SEDS(SIZES)
        initialise(model, torch.Generator().manual_seed(0))
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            parts = model.train()(batch, Losses())
        parts["total"].backward()
        losses.append({name: part.item() for name, part in parts.items()})
        gradients.append({name: p.grad for name, p in model.named_parameters()})
    half_losses, single_losses = losses
    assert half_losses != single_losses
    assert half_losses == {
        name: pytest.approx(loss, rel=0.03 if name == "match" else 0.01) for name, loss in single_losses.items()
    }
    for part in sorted({name.split(".")[0] for name in gradients[0]}):
        half_gradient, gradient = (
            torch.cat([g.flatten() for name, g in each.items() if name.split(".")[0] == part]) for each in gradients
        )
        limit = 0.8 if part == "pose_encoder" else 0.25
        assert (half_gradient - gradient).norm() < limit * gradient.norm(), part


@pytest.mark.slow
def test_fit_learns_in_half_precision(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train": 1, "dev": 1})
    train, dev = (load_split("toy", split, RULES, SIZES, "default", tmp_path) for split in ("train", "dev"))
    curves = []
    for precision, epochs in (("bfloat16", 24), ("float32", 2)):
        profile = TrainProfile(model=ONE, lr=3e-3, lr_clip=1.0, epochs=epochs, batch=len(WORDS), precision=precision)
        settings = Train(losses=Losses(), small=profile, published=profile, swap=0.0)
        model = fitting.build(train, settings, profile, 1, "cpu")
        logged: list[Values] = []
        fit = fitting.fit(model, train, dev, Recipe(settings, profile, profile.lr, 1), logged.append)
        curves.append([values["loss"]["total"] for values in logged])
        assert {t.dtype for t in fit.state.values() if t.is_floating_point()} == {torch.float32}
    half, single = curves
    # The first step has rate 0, so these are losses of the same weights. Those that follow part ways with the rounding.
    assert half[:2] != single
    assert half[:2] == pytest.approx(single, rel=0.01)
    # A model that can tell no two sentences apart has a loss of ln 8 or more. Twelve seeds came to 0.04 to 0.38 of it.
    assert half[-1] < 0.6 * math.log(len(WORDS))
