"""Shards of tensors that come from elsewhere, filled video by video, so that few are in memory at a time."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds import shards, tables

_SHARD_BYTES = 512 * 2**20  # a shard of long videos holds fewer of them


@dataclass
class ShardWriter:
    """Fills the shards of one kind in `folder` and collects their index. header: how they were made."""

    kind: str
    folder: Path
    header: Mapping[str, str]
    shard_videos: int
    rows: list[dict[str, Any]] = field(default_factory=list)
    waiting: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    shown: dict[str, dict[str, Any]] = field(default_factory=dict)  # fps and frame size of the waiting ones
    written: int = 0
    _bytes: int = 0  # of the waiting tensors

    def add(
        self, video_id: str, tensors: dict[str, np.ndarray], frames: int, length: int, shown: Mapping[str, Any]
    ) -> None:
        """length: of the main tensor. shown: fps, width and height of the video."""
        self.waiting[video_id] = tensors
        self.shown[video_id] = dict(shown)
        row = {"shard": self._name(), "frames": frames, "rows": length, "status": "ok", "detail": ""}
        self.rows.append({"video_id": video_id, **row})
        self._bytes += sum(tensor.nbytes for tensor in tensors.values())
        if len(self.waiting) == self.shard_videos or self._bytes >= _SHARD_BYTES:
            self._write()

    def fail(self, video_id: str, detail: str) -> None:
        row = {"shard": "", "frames": 0, "rows": 0, "status": "failed", "detail": detail}
        self.rows.append({"video_id": video_id, **row})

    def finish(self) -> pd.DataFrame:
        """Write the last shard and the index; returns the index."""
        if self.waiting:
            self._write()
        index = pd.DataFrame(self.rows, columns=list(tables.SHARD_INDEX.columns))
        shards.write_index(self.folder, index)
        return index

    def _write(self) -> None:
        header = {**self.header, "videos": json.dumps(self.shown)}
        shards.write_shard(self.folder / self._name(), self.kind, self.waiting, header)
        self.waiting.clear()
        self.shown.clear()
        self.written, self._bytes = self.written + 1, 0

    def _name(self) -> str:
        return f"shard-{self.written:05d}.safetensors"
