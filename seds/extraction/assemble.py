"""Outcomes of single videos -> the shards and index that the next stages read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds import shards, tables
from seds.errors import SedsError
from seds.extraction.extractor import Failure, Outcome, Video
from seds.system.files import digest, storage_errors


class DamagedError(Exception):
    """All parts that cannot be read. No index has been written."""

    def __init__(self, parts: Sequence[tuple[Video, PartError]]) -> None:
        super().__init__(f"{len(parts)} damaged parts")
        self.parts = parts


def assemble(
    kind: str,
    videos: Sequence[Video],
    read: Callable[[Video], Outcome],
    settings: Mapping[str, str],
    output: Path,
    shard_videos: int,
) -> pd.DataFrame:
    """Write shards of `shard_videos` consecutive videos each, and their index. Returns that SHARD_INDEX table.

    The bytes depend only on the videos, outcomes and settings. One shard is in memory at a time. Raises DamagedError,
    StorageError.
    """
    damaged: list[tuple[Video, PartError]] = []
    rows: list[dict[str, Any]] = []
    with storage_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        (output / shards.INDEX).unlink(missing_ok=True)  # while shards change, no index vouches for them
        for stale in (*output.glob("shard-*.safetensors"), *output.glob("*.partial")):
            stale.unlink()
        for start in range(0, len(videos), shard_videos):
            name = f"shard-{start // shard_videos:05d}.safetensors"
            chunk = videos[start : start + shard_videos]
            tensors: dict[str, dict[str, np.ndarray]] = {}
            for video in chunk:
                try:
                    outcome = read(video)
                except PartError as error:
                    damaged.append((video, error))
                    continue
                if not isinstance(outcome, Failure):
                    tensors[video.video_id] = outcome.tensors
                rows.append({"video_id": video.video_id, **_row(outcome, video, name)})
            if tensors and not damaged:
                shards.write_shard(output / name, kind, tensors, _header(chunk, settings))
        if damaged:
            raise DamagedError(damaged)
        columns = list(tables.SHARD_INDEX.columns)
        index = tables.check(pd.DataFrame(rows, columns=columns), tables.SHARD_INDEX, output / shards.INDEX)
        shards.write_index(output, index)
    return index


def _row(outcome: Outcome, video: Video, shard: str) -> dict[str, Any]:
    if isinstance(outcome, Failure):
        detail = f"{video.path}: {outcome}"
        return {"shard": "", "frames": 0, "rows": 0, "status": "failed", "detail": detail}
    return {"shard": shard, "frames": outcome.frames, "rows": outcome.rows, "status": "ok", "detail": ""}


def _header(chunk: Sequence[Video], settings: Mapping[str, str]) -> dict[str, str]:
    formats = {v.video_id: {"fps": v.fps, "width": v.width, "height": v.height} for v in chunk}
    identities = [(video.video_id, video.identity) for video in chunk]
    return {**settings, "fingerprint": digest([dict(settings), identities])[:16], "videos": json.dumps(formats)}


class PartError(SedsError, ValueError):
    """A part that is truncated, altered or of another video. The message names the file."""
