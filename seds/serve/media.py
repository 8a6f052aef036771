"""The videos and pictures of a gallery's videos, by id. A request never names a path.

Where a browser plays the file of a video, it gets that file, and the page keeps to the cut; else the cut alone is
turned into a file that browsers play, once, and kept in the cache.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from seds.serve import video_tasks
from seds.serve.cache import Cache
from seds.serve.problem import Problem
from seds.serve.sandbox import InvalidInputError, Sandbox, SandboxError
from seds.video.cuts import cut_bounds

_POSTER_S, _FILM_S = 30.0, 300.0  # longest that making one may take
Find = Callable[[str], dict[str, Any] | None]
_VERSION = 2  # of how pictures and films are made; a change makes them anew


@dataclass(frozen=True)
class PlayableVideo:
    """A file that browsers play, and where in it the video is, s; end_s None = to its end."""

    path: Path
    media_type: str
    start_s: float
    end_s: float | None


class Media:
    """find: the row of a video, as `Gallery.video`; its path is below `root`. pictures, films: two processes of
    `seds.serve.video_tasks`, so that a picture does not wait for a film.
    """

    def __init__(self, find: Find, root: Path, cache: Cache, pictures: Sandbox, films: Sandbox) -> None:
        self._find, self._root, self._cache = find, root, cache
        self._pictures, self._films = pictures, films
        self._kind = lru_cache(10_000)(self._look)

    def row(self, video_id: str) -> dict[str, Any]:
        """Raises Problem 404."""
        row = self._find(video_id)
        if row is None:
            raise Problem(404, "no video of this index has that id")
        return row

    def poster(self, video_id: str) -> Path:
        """A JPEG. Raises Problem: 404 where the video's file is gone, 422 where none can be taken of it."""
        row = self.row(video_id)
        source, key = self._source(row)
        task = {"do": "poster", "path": str(source), **_cut(row), "fps": row["fps"], "seconds": row["duration_s"]}
        return self._made(["poster", *key], ".jpg", task, self._pictures, _POSTER_S)

    def film(self, video_id: str) -> PlayableVideo:
        """Raises Problem as `poster` does."""
        row = self.row(video_id)
        source, key = self._source(row)
        kind = self._kind(str(source), *key[1:3])
        cut = _cut(row)
        if kind is not None:
            return PlayableVideo(source, kind, cut["start_s"] or 0.0, cut["end_s"])
        task = {"do": "film", "path": str(source), **cut, "fps": row["fps"], "seconds": row["duration_s"]}
        return PlayableVideo(self._made(["film", *key], ".mp4", task, self._films, _FILM_S), "video/mp4", 0.0, None)

    def _source(self, row: Mapping[str, Any]) -> tuple[Path, list[Any]]:
        """The file or folder of a video, and what its pictures depend on."""
        if not row["path"]:
            raise Problem(404, "the corpus has no video of this, only what was extracted from it")
        path = self._root / row["path"]
        try:
            found = os.stat(path)
        except (OSError, ValueError):
            raise Problem(404, "the file of this video is gone since it was indexed") from None
        return path, [str(path), found.st_size, found.st_mtime_ns, *_cut(row).values(), _VERSION]

    def _look(self, path: str, size: int, changed: int) -> str | None:
        """The media type of a file that browsers play, else None."""
        try:
            kind = video_tasks.read(self._pictures.run({"do": "kind", "path": path}, _POSTER_S))
        except (InvalidInputError, SandboxError):
            return None
        return kind if kind in video_tasks.MEDIA_TYPES else None

    def _made(self, key: list[Any], suffix: str, task: dict[str, Any], worker: Sandbox, seconds: float) -> Path:
        def make(path: Path) -> None:
            worker.run(task | {"output": str(path)}, seconds)

        try:
            return self._cache.get(key, suffix, make)
        except InvalidInputError:
            raise Problem(422, "this video's file cannot be decoded") from None
        except SandboxError as error:
            raise Problem(422, f"this video's file cannot be decoded ({error})") from None


def _cut(row: Mapping[str, Any]) -> dict[str, float | None]:
    return dict(zip(("start_s", "end_s"), cut_bounds(row["start_s"], row["end_s"]), strict=True))
