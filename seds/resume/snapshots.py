"""Snapshots of a run's state that survive a crash: written whole or not at all, checked when read, the last two kept.

A snapshot is a safetensors file, which contains no code, named by its number; its header has the values that JSON
represents and a checksum of everything. The older of two is removed only after a newer one has been read back, so a
full disk, a power cut or a damaged file costs the time since the previous snapshot, and no more.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from seds.errors import SedsError
from seds.system.files import atomic_write
from seds.tensorfile import TensorFileError, metadata, read_tensors

log = logging.getLogger(__name__)

SCHEMA = "seds-snapshot-1"
KEPT = 2


class SnapshotError(SedsError, ValueError):
    """A snapshot is truncated, altered or in another format; the message names the file."""


class WriteError(SedsError, OSError):
    """A snapshot could not be written; earlier ones are unchanged. The message names folder and reason."""


@dataclass(frozen=True)
class Snapshot:
    """number: optimiser steps done. values: representable in JSON. tensors: by name, on the CPU."""

    number: int
    values: dict[str, Any]
    tensors: dict[str, Tensor]


class Snapshots:
    """The snapshots in a folder, which only one process writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """Numbers of the snapshots in the folder, newest first, whether readable or not."""
        return sorted((int(path.stem) for path in self.folder.glob("*.safetensors")), reverse=True)

    def write(self, number: int, values: Mapping[str, Any], tensors: Mapping[str, Tensor], keep: int = KEPT) -> None:
        """Write a snapshot, read it back, then remove all but the `keep` newest. Raises WriteError."""
        on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        body = json.dumps(values)
        header = {"schema": SCHEMA, "number": number, "values": body, "sha256": _checksum(number, body, on_cpu)}
        try:
            for left in self.folder.glob("*.partial"):  # of a process that was killed while it wrote, often gigabytes
                left.unlink(missing_ok=True)
            with atomic_write(self._path(number)) as temporary:
                save_file(on_cpu, temporary, metadata(header))
                self._read(temporary, number)
        except (OSError, SafetensorError, SnapshotError) as error:
            raise WriteError(f"{self.folder} cannot be written: {error.__cause__ or error}") from None
        for old in self.numbers()[keep:]:
            self._path(old).unlink(missing_ok=True)

    def newest(self) -> Snapshot | None:
        """The newest readable snapshot, None if there is none. Damaged newer ones are logged and removed, since
        they would count among those kept.
        """
        for number in self.numbers():
            try:
                return self._read(self._path(number), number)
            except SnapshotError as error:
                log.warning("%s; the one before it is used", error)
                self._path(number).unlink(missing_ok=True)
        return None

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:09d}.safetensors"

    def _read(self, path: Path, number: int) -> Snapshot:
        try:
            tensors, header = read_tensors(path, "snapshot", SCHEMA, "pt", number=number)
        except TensorFileError as error:
            raise SnapshotError(str(error)) from None
        if header["sha256"] != _checksum(number, header["values"], tensors):
            raise SnapshotError(f"{path} is damaged: its checksum does not match")
        return Snapshot(number, json.loads(header["values"]), tensors)


def _checksum(number: int, body: str, tensors: Mapping[str, Tensor]) -> str:
    """sha256 (hex) of a snapshot. body: its values as JSON; tensors: on the CPU."""
    checksum = hashlib.sha256(f"{number} {body} ".encode())
    for name, tensor in sorted(tensors.items()):
        checksum.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        checksum.update(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
    return checksum.hexdigest()
