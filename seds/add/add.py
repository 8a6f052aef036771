"""Adding a corpus: its folder is linked below data/raw, its entry goes into params.yaml, and nothing is overwritten."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from seds.add.entry import with_entry
from seds.add.recognise import KEYPOINTS, VIDEOS, AddError, Recognised
from seds.config import Params, check_corpus_name
from seds.imports.command import report
from seds.imports.keypoints import import_keypoints
from seds.system.files import storage_errors, write_bytes

RAW = Path("data/raw")


def check_name(name: str, params: Params) -> None:
    """Raises ConfigError for a name that no corpus can have, AddError for one that another has."""
    check_corpus_name(name)
    if name in params.datasets:
        raise AddError(f"params.yaml already has a corpus {name}; choose another name, or change its entry there")


def place(name: str, found: Recognised, root: Path = Path()) -> Path:
    """data/raw/<name>. Raises AddError if something else is there, or if it would be in a folder of its own."""
    at = root / RAW / name
    if os.path.lexists(at) and not (found.table is None and at.exists() and at.samefile(found.folder)):
        raise AddError(f"{at} exists, and nothing is overwritten; choose another name")
    if at.exists() and found.kind == KEYPOINTS:
        raise AddError(f"the keypoints in {at} would be imported to where they lie; move them elsewhere first")
    source = found.folder.resolve()
    if source != at.resolve() and (root / RAW).resolve().is_relative_to(source):
        raise AddError(f"{found.folder} holds this project's own {RAW}; give the folder of the corpus alone")
    return at


def add(name: str, found: Recognised, params_file: Path = Path("params.yaml"), root: Path = Path()) -> str:
    """Link the corpus, or import its keypoints, and add its entry. Returns what was done, for a person.

    Where something fails, nothing is left behind. Raises AddError, StorageError.
    """
    at = place(name, found, root)
    file = params_file.resolve()  # which may be a link
    content = with_entry(file.read_bytes().decode("utf-8"), name, found.entry).encode()
    made, done = not os.path.lexists(at), f"linked {at}"
    try:
        with storage_errors(at.parent):
            if made:
                at.parent.mkdir(parents=True, exist_ok=True)
                done = _import(name, at, found) if found.kind == KEYPOINTS else _link(at, found)
        write_bytes(file, content)
    except BaseException:
        if made:
            if at.is_symlink():
                at.unlink()
            else:
                shutil.rmtree(at, ignore_errors=True)
        raise
    return done


def _import(name: str, at: Path, found: Recognised) -> str:
    done = import_keypoints(name, found.folder, at)
    if not (done.videos["status"] == "ok").any():
        reason = done.videos["detail"].iloc[0]
        raise AddError(f"{reason}; nothing was added. Try: seds import keypoints {name} --from {found.folder} --help")
    return f"{report(done)}\nimported to {at}"


def _link(at: Path, found: Recognised) -> str:
    """The link to the corpus, or a folder with its table and the link beside it."""
    source = found.folder.resolve()
    if found.table is None:
        at.symlink_to(source)
        return f"linked {at}"
    at.mkdir()
    (at / VIDEOS).symlink_to(source)
    found.table.to_csv(at / "videos.csv", index=False)
    return f"linked {at}"
