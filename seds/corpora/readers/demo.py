"""The rendered demo corpus: data/raw/demo/annotations.parquet, the videos that it names, and their signs.parquet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seds.config import Dataset
from seds.tables import TableError

LANGUAGE = "en"


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the demo corpus in `root`. Raises TableError when it has not been rendered."""
    path = root / "annotations.parquet"
    if not path.is_file():
        raise TableError(f"{path} not found; make it with: dvc repro render")
    table = pd.read_parquet(path)
    table["path"] = [(root / relative).as_posix() for relative in table["path"]]
    return table.assign(text=table["text"].str.strip(), text_original=table["text"], language=LANGUAGE)[
        ["video_id", "sentence_id", "split", "text", "text_original", "language", "signer", "path", "pair", "contrast"]
    ]


def read_signs(root: Path, dataset: Dataset) -> pd.DataFrame:
    """When each sign of the demo corpus in `root` is made. Raises TableError when it has not been rendered."""
    path = root / "signs.parquet"
    if not path.is_file():
        raise TableError(f"{path} not found; make it with: dvc repro render")
    return pd.read_parquet(path)
