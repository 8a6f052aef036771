"""The outcomes of single videos on disk, each written completely or not at all.

<folder>/parts/<2 digits>/<identity>.safetensors   a result
<folder>/failed/<identity>.json                    a lasting failure; remove the folder to have these videos tried again

The folder belongs to one version of settings and code, the identity to a video's content. So a part is valid wherever
it is found: after a crash, in a corpus that has grown, or written by another machine.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from seds.extraction.assemble import PartError
from seds.extraction.extractor import Extraction, Failure, Outcome
from seds.system.files import write_bytes
from seds.tensorfile import TensorFileError, read_tensors, write_tensors

_SCHEMA = "seds-part-1"


class Parts:
    """The outcomes below `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results, self.failures = folder, folder / "parts", folder / "failed"

    def present(self) -> set[str]:
        """Identities of all outcomes, by their file names; their content is checked when it is read."""
        results = [path for parent in _entries(self.results) for path in _entries(parent)]
        return {path.stem for path in results if path.suffix == ".safetensors"} | self.failed()

    def failed(self) -> set[str]:
        """Identities of the lasting failures."""
        return {path.stem for path in _entries(self.failures) if path.suffix == ".json"}

    def write(self, identity: str, outcome: Outcome) -> None:
        """Store a result or a lasting failure so that it survives the process and the machine. Raises StorageError."""
        if isinstance(outcome, Failure):
            write_bytes(self._failure(identity), json.dumps(asdict(outcome)).encode())
            return
        header = {
            "schema": _SCHEMA,
            "identity": identity,
            "frames": outcome.frames,
            "rows": outcome.rows,
            "sha256": _checksum(outcome.tensors),
        }
        write_tensors(self._result(identity), outcome.tensors, header)

    def read(self, identity: str) -> Outcome:
        """The stored outcome. Raises PartError if there is none, or if it is not what was written."""
        if not self._result(identity).is_file():
            return self._read_failure(identity)
        path = self._result(identity)
        try:
            tensors, header = read_tensors(path, "part", _SCHEMA, identity=identity)
        except TensorFileError as error:
            raise PartError(str(error)) from None
        if header["sha256"] != _checksum(tensors):
            raise PartError(f"{path}: its tensors are not those that were written")
        return Extraction(tensors, header["frames"], header["rows"])

    def bytes(self) -> int:
        """Size of all results on the disk."""
        return sum(path.stat().st_size for parent in _entries(self.results) for path in _entries(parent))

    def discard(self, identity: str) -> None:
        """Remove an outcome, so that the video is computed again."""
        self._result(identity).unlink(missing_ok=True)
        self._failure(identity).unlink(missing_ok=True)

    def _read_failure(self, identity: str) -> Failure:
        try:
            return Failure(**json.loads(self._failure(identity).read_bytes()))
        except (OSError, ValueError, TypeError) as error:
            raise PartError(f"{self._failure(identity)} is not a readable failure: {error}") from None

    def _result(self, identity: str) -> Path:
        return self.results / identity[:2] / f"{identity}.safetensors"  # 256 folders: none holds too many files

    def _failure(self, identity: str) -> Path:
        return self.failures / f"{identity}.json"


def _entries(folder: Path) -> list[Path]:
    try:
        return [Path(entry) for entry in os.scandir(folder)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _checksum(tensors: Mapping[str, np.ndarray]) -> str:
    checksum = hashlib.sha256()
    for field, array in sorted(tensors.items()):
        checksum.update(f"{field} {array.dtype} {array.shape} ".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()
