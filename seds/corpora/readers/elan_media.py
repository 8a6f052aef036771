"""The video that an ELAN file annotates, among the files of its corpus."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from urllib.parse import unquote

from seds.corpora.eaf import Medium
from seds.corpora.media import MEDIA, Files


@dataclass(frozen=True)
class Video:
    """path: of the file, or where it was expected, relative to the corpus's folder."""

    path: str
    origin_s: float


def find_video(path: PurePosixPath, media: Sequence[Medium], files: Files, wanted: str | None) -> Video:
    """The video of the ELAN file at `path`, of those that it names the first that is found.

    wanted: the name of one, or a pattern. Where none is found, the path is where it was expected.
    """
    videos = [medium for medium in media if _is_video(medium)]
    named = [medium for medium in videos if wanted is None or any(fnmatchcase(n, wanted) for n in _names(medium))]
    folder = path.parent
    ways = (
        lambda medium: _as_said(medium, folder, files),
        lambda medium: next((found for n in _names(medium) if (found := files.with_name(n, folder))), None),
        lambda medium: next((found for n in _names(medium) if (found := files.with_stem(_stem(n), folder))), None),
    )
    for way in ways:
        for medium in named:
            if found := way(medium):
                return Video(found.as_posix(), medium.origin_s)
    if wanted is None and (found := files.with_stem(path.stem, folder)):
        return Video(found.as_posix(), videos[0].origin_s if len(videos) == 1 else 0.0)
    if wanted is not None and not named:
        own = (video for video in files.videos if video.name.startswith(path.stem) and fnmatchcase(video.name, wanted))
        if found := next(own, None):
            return Video(found.as_posix(), 0.0)
    if not named:
        return Video((folder / (wanted or f"{path.stem}.mp4")).as_posix(), 0.0)
    relative = _relative(named[0])
    at = posixpath.normpath(posixpath.join(folder.as_posix(), relative)) if relative else ""
    return Video(at or (folder / (_names(named[0]) or [f"{path.stem}.mp4"])[0]).as_posix(), named[0].origin_s)


def _is_video(medium: Medium) -> bool:
    suffixes = {PurePosixPath(name).suffix.lower() for name in _names(medium)}
    return medium.mime_type.startswith("video") or bool(suffixes & MEDIA and not medium.mime_type.startswith("audio"))


def _names(medium: Medium) -> list[str]:
    """The names of the file in a medium's path and URL."""
    names = [unquote(link).replace("\\", "/").rpartition("/")[2] for link in (medium.relative, medium.url)]
    return list(dict.fromkeys(name for name in names if name))


def _stem(name: str) -> str:
    return name.rpartition(".")[0] or name


def _relative(medium: Medium) -> str:
    """The medium's path relative to the ELAN file; "" if it has none that is one."""
    path = unquote(re.sub(r"^file:/*", "", medium.relative)).replace("\\", "/")
    return "" if path.startswith("/") or re.match(r"[A-Za-z]:", path) else path


def _as_said(medium: Medium, folder: PurePosixPath, files: Files) -> PurePosixPath | None:
    """The video where the medium's relative path says it is, if that is in the corpus's folder."""
    relative = _relative(medium)
    path = PurePosixPath(posixpath.normpath(posixpath.join(folder.as_posix(), relative))) if relative else None
    return path if path is not None and files.has(path) else None
