"""A project of the synthetic corpus (tests/helpers/corpus.py) with a model that has drawn its weights, and its
index."""

from contextlib import chdir
from pathlib import Path

import torch
from ruamel.yaml import YAML

from helpers.corpus import SIZES, write_corpus
from seds.config import ModelSizes
from seds.data.batches import Numerics
from seds.model import checkpoint
from seds.model.initialisation import initialise
from seds.model.seds import SEDS
from stages import index

ROOT = Path(__file__).parents[2]


def write_project(
    root: Path,
    takes: dict[str, int],
    sizes: ModelSizes = SIZES,
    numerics: Numerics = "default",
    **settings: object,
) -> SEDS:
    """params.yaml, data/ and models/toy below `root`. settings: of params.yaml's section index."""
    write_params(root, "toy", index=settings)
    write_corpus(root / "data", takes)
    return write_model(root, sizes, numerics)


def write_searchable(root: Path, takes: dict[str, int]) -> Path:
    """A project and its index; returns `root`."""
    write_project(root, takes)
    write_index(root)
    return root


def write_params(root: Path, name: str, **sections: dict[str, object]) -> None:
    """params.yaml of the one corpus `name`, on the CPU. sections: what of them differs from this project's own."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["machine"]["device"] = "cpu"
    params["datasets"] = {name: {"corpus": "demo", "profile": "small"}}
    params["adapt"]["small"]["signs"] = "none"
    for section, values in sections.items():
        params[section] |= values
    root.mkdir(parents=True, exist_ok=True)
    YAML(typ="safe").dump(params, root / "params.yaml")


def write_model(
    root: Path, sizes: ModelSizes = SIZES, numerics: Numerics = "default", seed: int = 0, name: str = "toy"
) -> SEDS:
    model = SEDS(sizes, numerics)
    initialise(model, torch.Generator().manual_seed(seed))
    checkpoint.save(root / "models" / name, model, model.state_dict(), {}, "a toy")
    return model.eval()


def write_index(root: Path, name: str = "toy") -> None:
    """Run the stage."""
    with chdir(root):
        index.main(name)
