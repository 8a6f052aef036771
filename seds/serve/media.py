"""Video files and posters of the gallery's videos, by id. A request never names a path.

If browsers can play a video's file, they get that file and the page plays the cut; otherwise the cut is transcoded once
and kept in the cache. Of a video of which only keypoints exist, the skeleton is drawn moving; on request, of all.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException

from seds.serve import video_tasks
from seds.serve.cache import Cache
from seds.serve.sandbox import InvalidInputError, Sandbox, SandboxError
from seds.serve.skeletons import Skeleton, Skeletons, write_film, write_picture
from seds.video.cuts import cut_bounds

_POSTER_S, _TRANSCODE_S = 30.0, 300.0  # time limits
_VERSION = 3  # of posters and transcoded videos; a new number makes them anew
FindRow = Callable[[str], dict[str, Any] | None]


@dataclass(frozen=True)
class PlayableVideo:
    """A file that browsers can play, and the part of it that is the video, in s; end_s None: to its end."""

    path: Path
    media_type: str
    start_s: float
    end_s: float | None


class Media:
    """The playable files and posters of a gallery.

    find_row: `Gallery.video`, the row of a video, whose path is below `root`. posters, transcoder: two sandboxes of
    `seds.serve.video_tasks`, so that a poster does not wait for a transcoding. skeletons: of the gallery's videos.
    drawn: every video is shown as its skeleton, as if there were no files.
    """

    def __init__(
        self,
        find_row: FindRow,
        root: Path,
        cache: Cache,
        posters: Sandbox,
        transcoder: Sandbox,
        skeletons: Skeletons,
        drawn: bool = False,
    ) -> None:
        self._find_row, self._root, self._cache = find_row, root, cache
        self._posters, self._transcoder = posters, transcoder
        self._skeletons, self._drawn = skeletons, drawn
        self._media_type = lru_cache(10_000)(self._find_media_type)

    def row(self, video_id: str) -> dict[str, Any]:
        """Raises HTTPException 404."""
        row = self._find_row(video_id)
        if row is None:
            raise HTTPException(404, "this index has no video with that id")
        return row

    def poster(self, video_id: str) -> Path:
        """A JPEG. Raises HTTPException: 404 if the video's file is missing, 422 if it cannot be decoded."""
        row = self.row(video_id)
        if self._drawn or not row["path"]:
            return self._skeleton(row, "poster", ".jpg", write_picture)
        path, key = self._source(row)
        task = {"do": "poster", "path": str(path), **_cut(row), "fps": row["fps"], "seconds": row["duration_s"]}
        return self._cached(["poster", *key], ".jpg", task, self._posters, _POSTER_S)

    def playable(self, video_id: str) -> PlayableVideo:
        """Raises HTTPException as `poster` does."""
        row = self.row(video_id)
        if self._drawn or not row["path"]:
            return PlayableVideo(self._skeleton(row, "film", ".mp4", write_film), "video/mp4", 0.0, None)
        path, key = self._source(row)
        cut = _cut(row)
        media_type = self._media_type(str(path), *key[1:3])
        if media_type is not None:
            return PlayableVideo(path, media_type, cut["start_s"] or 0.0, cut["end_s"])
        task = {"do": "transcode", "path": str(path), **cut, "fps": row["fps"], "seconds": row["duration_s"]}
        transcoded = self._cached(["film", *key], ".mp4", task, self._transcoder, _TRANSCODE_S)
        return PlayableVideo(transcoded, "video/mp4", 0.0, None)

    def _source(self, row: Mapping[str, Any]) -> tuple[Path, list[Any]]:
        """The file or folder of a video, and the cache key of what is made from it."""
        path = self._root / row["path"]
        try:
            stat = os.stat(path)
        except (OSError, ValueError):
            raise HTTPException(404, "the file of this video no longer exists") from None
        return path, [str(path), stat.st_size, stat.st_mtime_ns, *_cut(row).values(), _VERSION]

    def _skeleton(
        self, row: Mapping[str, Any], what: str, suffix: str, write: Callable[[Path, Skeleton], None]
    ) -> Path:
        """What `write` draws of a video's keypoints. Raises HTTPException 404 if there are none."""
        skeleton = self._skeletons.find(row)
        if skeleton is None:
            raise HTTPException(404, "there is neither a video file nor a keypoint of this video")
        key = ["skeleton", what, row["video_id"], *skeleton.state, _VERSION]
        return self._cache.get(key, suffix, lambda path: write(path, skeleton))

    def _find_media_type(self, path: str, size: int, changed: int) -> str | None:
        """The media type of a file that browsers play, else None. size, changed: for the cache around this."""
        try:
            media_type = video_tasks.read(self._posters.run({"do": "media_type", "path": path}, _POSTER_S))
        except (InvalidInputError, SandboxError):
            return None
        return media_type if media_type in video_tasks.MEDIA_TYPES else None

    def _cached(self, key: list[Any], suffix: str, task: dict[str, Any], sandbox: Sandbox, seconds: float) -> Path:
        def make(path: Path) -> None:
            sandbox.run(task | {"output": str(path)}, seconds)

        try:
            return self._cache.get(key, suffix, make)
        except InvalidInputError:
            raise HTTPException(422, "this video's file cannot be decoded") from None
        except SandboxError as error:
            raise HTTPException(422, f"this video's file cannot be decoded ({error})") from None


def _cut(row: Mapping[str, Any]) -> dict[str, float | None]:
    return dict(zip(("start_s", "end_s"), cut_bounds(row["start_s"], row["end_s"]), strict=True))
