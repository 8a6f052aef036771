"""The optimiser's trajectories, its schedule, and which parameter belongs to which group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from seds.config import ModelSizes
from seds.model.published import PublishedTensorsError, sizes_of
from seds.model.published_names import OURS_ALONE, TABLES, UNUSED, is_half, published_name
from seds.model.seds import SEDS
from seds.training.optim import BETAS, EPS, BertAdam, parameter_groups, warmup_cosine
from seds.verify.arrays import Arrays, Entries, NotCompared, RecordingError, as_recorded
from seds.verify.comparison import Note, Result, absolute, elementwise, relative, same

SCHEDULE = "warmup_cosine"
OFFERED = {"b1": BETAS[0], "b2": BETAS[1], "e": EPS}  # settings that ours has no choice of
SETTINGS = {*OFFERED, "schedule", "lr", "warmup", "t_total", "weight_decay", "max_grad_norm", "groups"}
PUBLISHED_PARAMETERS = 303_811_315


def trajectories(recorded: Arrays) -> Iterator[Result]:
    """Each step from the recorded gradients. Other schedules than ours drive the steps by their recorded rates."""
    for case in sorted(name.split("/")[0] for name in recorded if name.endswith("/settings")):
        yield from as_recorded(f"{recorded.label}/{case}", _trajectory(recorded, case))
    yield from as_recorded(f"{recorded.label}/schedule", _schedules(recorded))


def _trajectory(recorded: Arrays, case: str) -> Iterator[Result]:
    label, settings = f"{recorded.label}/{case}", _settings(recorded, case)
    count = len([name for name in recorded if name.startswith(f"{case}/p") and name.endswith("_init")])
    starts = [recorded.tensor(f"{case}/p{i}_init") for i in range(count)]
    if any(start.dtype == torch.float16 for start in starts):
        raise NotCompared("half-precision parameters: ours are always float32")
    gradients = [recorded.tensor(f"{case}/p{i}_grads", "S", *start.shape) for i, start in enumerate(starts)]
    if len(steps := {len(some) for some in gradients}) != 1:
        raise NotCompared(f"the parameters have gradients of {sorted(steps)} steps")
    options = settings.get("groups", [{}] * count)
    if len(options) != count:
        raise RecordingError(f"{recorded.path.name}: {case}/settings has {len(options)} groups for {count} parameters")
    scheduled, constant = settings["schedule"] == SCHEDULE and settings["t_total"] > 0, settings["t_total"] <= 0
    rates = None
    if f"{case}/get_lr_before_step" in recorded or not (scheduled or constant):
        rates = recorded.numbers(f"{case}/get_lr_before_step", *steps, count)

    params = [torch.nn.Parameter(start.clone()) for start in starts]
    groups = [{"params": [p], **option} for p, option in zip(params, options, strict=True)]
    clip_norm = settings["max_grad_norm"] if settings["max_grad_norm"] > 0 else None
    optimiser = BertAdam(groups, settings["lr"], settings["weight_decay"], clip_norm)
    peaks = [group["lr"] for group in optimiser.param_groups]
    after: list[list[np.ndarray]] = [[] for _ in params]
    ours = []
    for step in range(*steps):
        factor = warmup_cosine(step, settings["t_total"], settings["warmup"]) if scheduled else 1.0
        for i, group in enumerate(optimiser.param_groups):
            # Without a number of steps the rate is recorded as 0 before the first, which takes the peak.
            group["lr"] = peaks[i] * factor if scheduled or constant or rates is None else rates[step, i]
        ours.append([group["lr"] for group in optimiser.param_groups])
        for p, gradient in zip(params, gradients, strict=True):
            p.grad = gradient[step].clone()
        optimiser.step()
        for states, p in zip(after, params, strict=True):
            states.append(p.detach().numpy().copy())
    if scheduled and rates is not None:
        yield absolute(f"{label}/lr", np.array(ours), rates, 1e-12 * max(peaks))
    limit = 1e-12 if params[0].dtype == torch.float64 else 1e-6
    for i, states in enumerate(after):
        if f"{case}/p{i}_after" in recorded:
            yield relative(f"{label}/p{i}_after", np.stack(states), recorded.numbers(f"{case}/p{i}_after"), limit)


def _settings(recorded: Arrays, case: str) -> dict[str, Any]:
    """Raises NotCompared for an option that ours does not have, RecordingError for what is no object of JSON."""
    try:
        settings = json.loads(recorded.text(f"{case}/settings", ""), object_hook=Entries)
        others = {name: value for name, value in settings.items() if value != OFFERED.get(name, value)}
    except (ValueError, AttributeError) as error:
        raise RecordingError(f"{recorded.path.name}: {case}/settings is no JSON object: {error}") from None
    others |= {name: value for name, value in settings.items() if name not in SETTINGS}
    if others:
        raise NotCompared(f"not offered: {', '.join(f'{name} {value}' for name, value in others.items())}")
    return settings


def _schedules(recorded: Arrays) -> Iterator[Result]:
    for name in sorted(name for name in recorded if name.startswith("schedule/")):
        if name == f"schedule/{SCHEDULE}":
            x, warmup = recorded.numbers("schedule_x", "N"), recorded.number("schedule_warmup")
            factors = np.array([warmup_cosine(v, 1, warmup) for v in x])
            yield absolute(f"{recorded.label}/{name}", factors, recorded.numbers(name), 1e-12)
        else:
            yield Note(f"{recorded.label}/{name}", f"not offered; the published training uses {SCHEDULE}")


def released_listing(label: str, listing: Any) -> Iterator[Result]:
    """Names, shapes, half-precision tensors, number of parameters and optimiser groups of the released checkpoint."""
    keys = listing["keys"]
    model = _listed_model(listing)
    state = {published_name(name): t for name, t in model.state_dict().items() if name not in OURS_ALONE}
    listed = set(keys) - set(UNUSED) - set(TABLES)
    yield same(f"{label}/names", sorted(state), sorted(listed))
    shared = [name for name in state if name in keys]
    squeezed = [_squeezed(state[name].shape) == _squeezed(keys[name]["shape"]) for name in shared]
    yield same(f"{label}/shapes", squeezed, [True] * len(shared))
    halves = [is_half(name) for name in keys]
    yield same(f"{label}/dtype (halved or not)", halves, [key["dtype"] == "float16" for key in keys.values()])
    if "total_parameters" in listing:
        unused = sum(torch.Size(keys[name]["shape"]).numel() for name in UNUSED if name in keys)
        total = sum(p.numel() for p in model.parameters()) + unused
        yield same(f"{label}/total_parameters", total, listing["total_parameters"])

    recorded = {
        name: listing["optimizer_groups"][key["optimizer_group"]]
        for name, key in keys.items()
        if key["kind"] == "parameter" and name not in UNUSED
    }
    groups = parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-4, 0.1, 0.001)
    group_of = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    ours = {published_name(name): group_of[id(p)] for name, p in model.named_parameters()}
    yield same(f"{label}/optimizer_groups (names)", sorted(ours), sorted(recorded))
    both = [name for name in recorded if name in ours]
    yield elementwise(
        f"{label}/optimizer_groups (lr, weight decay)",
        np.array([ours[name] for name in both]),
        np.array([(recorded[name]["lr"], recorded[name]["weight_decay"]) for name in both]),
        1e-9,
    )


def _listed_model(listing: Any) -> SEDS:
    """Without values. Of the published number of parameters, it has the published sizes; else those of its shapes."""
    sizes = ModelSizes()
    if listing.get("total_parameters", PUBLISHED_PARAMETERS) != PUBLISHED_PARAMETERS:
        try:
            sizes = sizes_of({name: key["shape"] for name, key in listing["keys"].items()})
        except PublishedTensorsError as error:
            raise NotCompared(str(error)) from None
    with torch.device("meta"):
        return SEDS(sizes)


def _squeezed(shape: Any) -> list[int]:
    return [size for size in shape if size != 1]
