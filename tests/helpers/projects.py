"""A folder in which `stages.train toy` runs: parameters and a corpus of eight training sentences."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from helpers.corpus import SIZES, write_corpus
from seds.config import ModelSizes

ROOT = Path(__file__).parents[2]


def write_project(
    root: Path,
    *,
    model: ModelSizes = SIZES,
    seeds: list[int] | None = None,
    minutes: float = 0,
    pretrain: dict[str, Any] | None = None,
    **profile: Any,
) -> None:
    """minutes: between two writings of the run's state; pretrain: of its section, what differs; profile: what differs
    from a few steps of three sentences.
    """
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["machine"] |= {"device": "cpu", "checkpoint_minutes": minutes}
    params["datasets"] = {"toy": {"corpus": "demo", "profile": "small"}}
    params["train"]["seeds"] = seeds
    # Batches of three, three and two: two processes cannot share three evenly.
    brief = {"epochs": 2, "batch": 3, "micro_batch": None, "model": model.model_dump()}
    params["train"]["small"] |= brief | profile
    params["pretrain"]["small"] |= {"epochs": 2, "batch": 3, "decoder": 8} | (pretrain or {})
    root.mkdir()
    YAML(typ="safe").dump(params, root / "params.yaml")
    write_corpus(root / "data", {"train": 1, "dev": 1, "test": 1})
