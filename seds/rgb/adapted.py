"""The sign encoder of a corpus, as the extraction of features finds it where stage adapt leaves it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from seds.system.files import file_sha256

if TYPE_CHECKING:
    from seds.weightfiles import Checkpoint

CONFIG, ENCODER = "config.json", "encoder.safetensors"


def find_adapted(folder: Path) -> Checkpoint | None:
    """The encoder in an output of stage adapt; None if the corpus has none, as config.json says, or no such folder.

    Raises WeightFileError if the folder is not what the stage writes.
    """
    from seds.weightfiles import Checkpoint, WeightFileError  # imports PyTorch, which stage adapt often does without

    if not folder.is_dir():
        return None
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        adapted = config["adapted"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightFileError(
            f"{folder / CONFIG} cannot be read ({error!r}); run: dvc repro --force adapt@{folder.name}"
        ) from None
    if not adapted:
        return None
    path = folder / ENCODER
    if not path.is_file():
        raise WeightFileError(f"{path} not found; run: dvc repro --force adapt@{folder.name}")
    return Checkpoint(path, file_sha256(path))
