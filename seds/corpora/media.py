"""The files of a corpus that has no table: what lies below its folder, and which video a name means."""

from __future__ import annotations

import os
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

# fmt: off
MEDIA = frozenset((  # as .dvcignore has them
    ".3g2", ".3gp", ".asf", ".avi", ".dv", ".f4v", ".flv", ".gif", ".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4",
    ".mpeg", ".mpg", ".mts", ".mxf", ".ogg", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m",
))
# fmt: on


def walk(root: Path) -> Iterator[PurePosixPath]:
    """The files below a folder, relative to it, in the order of their names. Links are followed, each folder once.

    Hidden files, and folders that cannot be read, are left out.
    """
    waiting, seen = deque([""]), set[tuple[int, int]]()
    while waiting:
        folder = waiting.popleft()
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in seen:  # a circular link
                continue
            seen.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir():
                    waiting.append(path)
                elif entry.is_file():
                    yield PurePosixPath(path)
            except OSError:  # a circular link
                continue


@dataclass
class Files:
    """Files of a corpus, relative to its folder: videos, and others of the suffixes that were asked for."""

    videos: list[PurePosixPath] = field(default_factory=list)
    others: list[PurePosixPath] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._by_stem: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._by_name: dict[str, list[PurePosixPath]] = defaultdict(list)
        self._videos = frozenset(self.videos)
        for path in self.videos:
            self._by_stem[path.stem].append(path)
            self._by_name[path.name].append(path)

    @classmethod
    def below(cls, root: Path, *suffixes: str) -> Files:
        """Those in the folder of a corpus. suffixes: in lower case, such as ".eaf"."""
        videos, others = [], []
        for path in walk(root):
            suffix = path.suffix.lower()
            if suffix in suffixes:
                others.append(path)
            elif suffix in MEDIA:
                videos.append(path)
        return cls(videos, others)

    def has(self, path: PurePosixPath) -> bool:
        """Whether it is one of the videos."""
        return path in self._videos

    def with_stem(self, stem: str, folder: PurePosixPath) -> PurePosixPath | None:
        """The video <stem>.* in that folder or, where only one has that stem, in any."""
        return _nearest(self._by_stem.get(stem, ()), folder)

    def with_name(self, name: str, folder: PurePosixPath) -> PurePosixPath | None:
        """The video of that name in that folder or, where only one has it, in any."""
        return _nearest(self._by_name.get(name, ()), folder)


def _nearest(paths: list[PurePosixPath] | tuple[()], folder: PurePosixPath) -> PurePosixPath | None:
    beside = [path for path in paths if path.parent == folder]
    if beside:
        return beside[0]
    return paths[0] if len(paths) == 1 else None
