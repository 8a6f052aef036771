"""What a trained model was made from and how well it does on dev: the record in its folder, config.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from seds.config import Params
from seds.data.split import Split
from seds.model import checkpoint, distributed
from seds.model.seds import SEDS
from seds.retrieval.metrics import metrics_table, over_seeds
from seds.shards import ShardReader, extraction
from seds.training.card import hardware, model_card
from seds.training.fitting import Fit
from seds.training.loop import Recipe
from seds.training.pretrained import described as described_encoder


def described(profile: str, train: Split, recipe: Recipe, model: SEDS) -> str:
    """One line about a training that starts. profile: its name."""
    processes = distributed.world_size()
    own = "" if model.heads is None else f", {_parameters(model.heads):,} of them for training alone"
    return (
        f"{len(train.sentence_ids):,} sentences, {_parameters(model):,} parameters{own} (profile {profile}, method "
        f"{recipe.settings.method}), "
        f"lr {recipe.lr:g}, seed {recipe.seed}, {processes} process{'es' * (processes > 1)}"
    )


def save_models(
    dataset: str,
    params: Params,
    splits: Mapping[str, Split],
    model: SEDS,
    recipes: Sequence[Recipe],
    fits: Sequence[Fit],
    pretrained: Path | None = None,
) -> None:
    """Write models/<dataset>/ for the first seed and models/<dataset>/seeds/<seed>/ for each other; print dev metrics.

    splits: "train" and "dev"; model: any of the trained ones, for sizes and numerics; recipes, fits: one per seed;
    pretrained: the encoder of stage pretrain that they started from, if any.
    Raises StorageError.
    """
    folder = Path("models") / dataset
    trained_on = hardware(str(model.logit_scale.device), distributed.world_size())
    for i, (recipe, fit) in enumerate(zip(recipes, fits, strict=True)):
        record = provenance(dataset, params, splits, recipe, fit, [other.seed for other in recipes])
        if pretrained is not None:
            record["pretrained"] = described_encoder(pretrained)
        if len(fits) > 1:
            record["dev_over_seeds"] = over_seeds([other.dev for other in fits])
        took = f"{fit.hours:.2g} hours on {trained_on}"
        card = model_card(record, model.sizes, _parameters(model), model.numerics, took)
        checkpoint.save(folder / "seeds" / str(recipe.seed) if i else folder, model, fit.state, record, card)
        print(f"seed {recipe.seed}: kept epoch {fit.epoch} of {recipe.profile.epochs}; dev:")
        print(*metrics_table(fit.dev), sep="\n")


def provenance(
    dataset: str, params: Params, splits: Mapping[str, Split], recipe: Recipe, fit: Fit, seeds: Sequence[int]
) -> dict[str, Any]:
    """Data, settings and results of one seed's training, for JSON. splits: "train" and "dev"; seeds: of all models."""
    return {
        "dataset": dataset,
        "corpus": params.dataset(dataset).corpus,
        "profile": params.profile(dataset),
        "videos": {name: len(split.videos) for name, split in splits.items()},
        "sentences": {name: len(split.sentence_ids) for name, split in splits.items()},
        "texts": {name: len(set(split.texts)) for name, split in splits.items()},
        "epoch": fit.epoch,
        "epochs": recipe.profile.epochs,
        "lr": recipe.lr,
        "batch": recipe.profile.batch,
        "augment": recipe.profile.augment.model_dump(),
        "seed": recipe.seed,
        "seeds": list(seeds),
        "clip": recipe.profile.clip,
        "train": params.train.model_dump(mode="json", exclude={"small", "published", "seeds", "methods"}),
        "pose": extraction(ShardReader(f"data/pose/{dataset}", "pose").metadata),
        "rgb": extraction(ShardReader(f"data/rgb/{dataset}", "rgb").metadata),
        "windows": params.manifest.model_dump(),
        "dev": fit.dev,
        "dev_without_leaks": fit.dev_without_leaks,
        "dev_recalls": fit.recalls,
        "pose_weight": fit.pose_weight,
        "train_metrics": fit.train,
        "warnings": fit.warnings,
    }


def _parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())
