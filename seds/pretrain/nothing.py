"""The output of stage pretrain for a corpus whose pose encoder is not pretrained. Free of what takes long to import."""

from __future__ import annotations

from pathlib import Path

from seds.config import Params
from seds.system.files import atomic_folder, write_json, write_text
from seds.training.pretrained import CONFIG

CARD = "README.md"


def reason_for_nothing(params: Params, dataset: str) -> str:
    """Why no encoder is pretrained for a corpus, "" if one is."""
    if params.pretrain.of(params.profile(dataset)).method == "none":
        return "params.yaml says so (method: none, in the section pretrain)"
    if params.training(dataset).model.streams == "rgb":
        return "its model has no pose encoder (train.<profile>.model.streams: rgb)"
    return ""


def write_unpretrained(folder: Path, why: str) -> str:
    """Write why there is none. Returns a line to print. Raises StorageError."""
    with atomic_folder(folder) as temporary:
        write_json(temporary / CONFIG, {"pretrained": False, "why": why})
        write_text(temporary / CARD, f"# No pretrained pose encoder\n\nNone was made for this corpus: {why}.\n")
    return f"{folder}: no pose encoder was pretrained: {why}"
