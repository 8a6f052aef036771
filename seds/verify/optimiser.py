"""The optimiser's trajectories, its schedule, and which parameter belongs to which group."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from seds.config import ModelSizes
from seds.model.published_names import OURS_ALONE, TABLES, UNUSED, is_half, published_name
from seds.model.seds import SEDS
from seds.training.optim import BertAdam, parameter_groups, warmup_cosine
from seds.verify.comparison import Note, Result, absolute, elementwise, relative, same

SCHEDULE = "warmup_cosine"


def trajectories(path: Path) -> Iterator[Result]:
    """Each step from the recorded gradients. Other schedules than ours drive the steps by their recorded rates."""
    with np.load(path) as file:
        recorded = {name: file[name] for name in file.files}
    for case in sorted(key.split("/")[0] for key in recorded if key.endswith("/settings")):
        label, settings = f"{path.stem}/{case}", json.loads(str(recorded[f"{case}/settings"]))
        count = len([key for key in recorded if key.startswith(f"{case}/p") and key.endswith("_init")])
        if recorded[f"{case}/p0_init"].dtype == np.float16:
            yield Note(label, "half-precision parameters: ours are always float32")
            continue
        params = [torch.nn.Parameter(torch.from_numpy(recorded[f"{case}/p{i}_init"])) for i in range(count)]
        groups = [
            {"params": [p], **options} for p, options in zip(params, settings.get("groups", [{}] * count), strict=True)
        ]
        clip_norm = settings["max_grad_norm"] if settings["max_grad_norm"] > 0 else None
        optimiser = BertAdam(groups, settings["lr"], settings["weight_decay"], clip_norm)
        peaks, steps = [group["lr"] for group in optimiser.param_groups], recorded[f"{case}/get_lr_before_step"]
        scheduled = settings["schedule"] == SCHEDULE and settings["t_total"] > 0
        after: list[list[np.ndarray]] = [[] for _ in params]
        rates = []
        for step, given in enumerate(steps):
            for group, peak, rate in zip(optimiser.param_groups, peaks, given, strict=True):
                factor = warmup_cosine(step, settings["t_total"], settings["warmup"]) if scheduled else 1.0
                constant = settings["t_total"] <= 0  # recorded as 0 before the first step, which takes the peak
                group["lr"] = peak * factor if scheduled or constant else rate
            rates.append([group["lr"] for group in optimiser.param_groups])
            for i, p in enumerate(params):
                p.grad = torch.from_numpy(recorded[f"{case}/p{i}_grads"][step])
            optimiser.step()
            for own, p in zip(after, params, strict=True):
                own.append(p.detach().numpy().copy())
        if scheduled:
            yield absolute(f"{label}/lr", np.array(rates), steps, 1e-12 * max(peaks))
        limit = 1e-12 if params[0].dtype == torch.float64 else 1e-6
        for i, own in enumerate(after):
            expected = torch.from_numpy(recorded[f"{case}/p{i}_after"])
            yield relative(f"{label}/p{i}_after", torch.from_numpy(np.stack(own)), expected, limit)
    x, warmup = recorded["schedule_x"], float(recorded["schedule_warmup"])
    for key in sorted(key for key in recorded if key.startswith("schedule/")):
        if key == f"schedule/{SCHEDULE}":
            yield absolute(
                f"{path.stem}/{key}", np.array([warmup_cosine(v, 1, warmup) for v in x]), recorded[key], 1e-12
            )
        else:
            yield Note(f"{path.stem}/{key}", "not offered; the published training uses warmup_cosine")


def released_listing(path: Path) -> Iterator[Result]:
    """Names, shapes, half-precision tensors, number of parameters and optimiser groups of the released checkpoint."""
    listing = json.loads(path.read_text(encoding="utf-8"))
    keys = listing["keys"]
    with torch.device("meta"):
        model = SEDS(ModelSizes())
    state = {published_name(name): t for name, t in model.state_dict().items() if name not in OURS_ALONE}
    wanted = set(keys) - set(UNUSED) - set(TABLES)
    yield same(f"{path.stem}/names", sorted(state), sorted(wanted))
    squeezed = [
        [n for n in t.shape if n != 1] == [n for n in keys[name]["shape"] if n != 1] for name, t in state.items()
    ]
    yield same(f"{path.stem}/shapes", squeezed, [True] * len(squeezed))
    halves = [is_half(name) for name in keys]
    yield same(f"{path.stem}/dtype (halved or not)", halves, [key["dtype"] == "float16" for key in keys.values()])
    unused = sum(torch.Size(keys[name]["shape"]).numel() for name in UNUSED)
    total = sum(p.numel() for p in model.parameters()) + unused
    yield same(f"{path.stem}/total_parameters", total, listing["total_parameters"])

    recorded = {
        name: listing["optimizer_groups"][key["optimizer_group"]]
        for name, key in keys.items()
        if key["kind"] == "parameter" and name not in UNUSED
    }
    groups = parameter_groups(model.clip_parameters(), model.other_parameters(), 1e-4, 0.1, 0.001)
    place = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    ours = {published_name(name): place[id(p)] for name, p in model.named_parameters()}
    yield same(f"{path.stem}/optimizer_groups (names)", sorted(ours), sorted(recorded))
    both = [name for name in recorded if name in ours]
    yield elementwise(
        f"{path.stem}/optimizer_groups (lr, weight decay)",
        torch.tensor([ours[name] for name in both], dtype=torch.float64),
        torch.tensor([(recorded[name]["lr"], recorded[name]["weight_decay"]) for name in both], dtype=torch.float64),
        1e-9,
    )
