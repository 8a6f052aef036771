"""A folder in which the stages evaluate and report can run: parameters, a corpus, and untrained models."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ruamel.yaml import YAML

from helpers import shown
from helpers.corpus import SIZES, write_corpus, write_keypoint_quality
from seds import tables
from seds.model import checkpoint
from seds.model.initialisation import initialise
from seds.model.seds import SEDS

ROOT = Path(__file__).parents[2]


def save_model(folder: Path, seed: int, streams: str = "both") -> None:
    model = SEDS(SIZES.model_copy(update={"streams": streams}))
    initialise(model, torch.Generator().manual_seed(seed))
    checkpoint.save(folder, model, model.state_dict(), {"seed": seed}, "")


def write_project(root: Path) -> None:
    """Corpus `toy`: test videos of eight sentences by signers A and B, 15 usable, each with a file of its own cut."""
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    params["machine"]["device"] = "cpu"
    params["datasets"] = {"toy": {"corpus": "demo", "profile": "small"}}
    params["evaluate"]["bootstrap"] = 50
    YAML(typ="safe").dump(params, root / "params.yaml")
    write_corpus(root / "data", {"test": 2})
    shown.write_video(root / "data/raw/toy/long.mp4")
    change_manifest(
        root, signer=["A", "B"] * 8, path="data/raw/toy/long.mp4", start_s=0.5, end_s=1.5, frames=shown.FRAMES, fps=10.0
    )
    write_keypoint_quality(root)
    save_model(root / "models" / "toy", 7)


def change_manifest(root: Path, **columns: Any) -> None:
    path = root / "data" / "manifest" / "toy.parquet"
    tables.write(pd.read_parquet(path).assign(**columns), tables.MANIFEST, path)


def change_params(root: Path, section: str, **values: Any) -> None:
    params = YAML(typ="safe").load(root / "params.yaml")
    params[section] |= values
    YAML(typ="safe").dump(params, root / "params.yaml")
