"""The output of stage adapt for a corpus that gets no sign encoder. Free of what takes seconds to import."""

from __future__ import annotations

from pathlib import Path

from seds import tables
from seds.config import Params
from seds.extraction import imported
from seds.rgb.adapted import CONFIG
from seds.system.files import atomic_folder, write_json, write_text

CARD = "README.md"


def reason_for_nothing(params: Params, dataset: str, data: Path = Path("data")) -> str:
    """Why no encoder is trained for a corpus, "" if one is. Raises TableError without the signs table."""
    source = params.adapt.of(params.profile(dataset)).signs
    if source == "none":
        return "params.yaml says so (signs: none, in the section adapt)"
    if imported.is_imported(params.dataset(dataset)):
        return "it was imported, without videos"
    if params.rgb.of(params.profile(dataset)).network is not None:
        return "its features come from another network than the one that is trained here (rgb.<profile>.network)"
    if source == "spotted":
        return ""
    signs = tables.read(data / "signs" / f"{dataset}.parquet", tables.SIGNS, f"dvc repro prepare@{dataset}")
    return "" if len(signs) else "it has no sign whose time is known"


def write_unadapted(folder: Path, why: str) -> str:
    """Write why there is none. Returns a line to print. Raises StorageError."""
    with atomic_folder(folder) as temporary:
        write_json(temporary / CONFIG, {"adapted": False, "why": why})
        write_text(temporary / CARD, f"# No sign encoder\n\nNone was trained for this corpus: {why}.\n")
    return f"{folder}: no encoder was trained: {why}"
