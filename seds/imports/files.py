"""The keypoints in a folder, a file or a folder of frames for each video, and which of them a name means."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from seds.corpora.media import MEDIA, walk
from seds.imports import arrays, pose_file
from seds.imports.arrays import open_array
from seds.imports.openpose import FRAME, open_openpose
from seds.imports.pose_file import open_pose
from seds.imports.source import Source
from seds.messages import safe_filename

SUFFIXES = (*pose_file.SUFFIXES, *arrays.SUFFIXES)
FEATURES = (".npy", ".npz", ".h5", ".hdf5", ".pt", ".pth")  # of files of features


def open_source(path: Path) -> Source:
    """Raises KeypointsError, PickleError, OSError for what cannot be read."""
    if path.is_dir():
        return open_openpose(path)
    return open_pose(path) if path.name.lower().endswith(pose_file.SUFFIXES) else open_array(path)


def without_suffix(name: str) -> str:
    """A path without the suffix that keypoints or videos have."""
    for suffix in sorted({*SUFFIXES, *FEATURES, *MEDIA}, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name


@dataclass(frozen=True)
class VideoFiles:
    """Files of keypoints or features, and folders of OpenPose's frames, relative to their folder, in order."""

    paths: Sequence[PurePosixPath]

    def __post_init__(self) -> None:
        known: dict[str, list[PurePosixPath]] = defaultdict(list)
        for path in self.paths:
            full, stem = without_suffix(path.as_posix()), without_suffix(path.name)
            for name in {path.as_posix(), full, stem}:
                known[name].append(path)
        object.__setattr__(self, "_known", dict(known))

    @classmethod
    def below(cls, root: Path, *tables: Path) -> VideoFiles:
        """Those in a folder, without the tables that lie there."""
        found: list[PurePosixPath] = []
        aside = {table.resolve() for table in tables}
        for path in walk(root):
            if FRAME.fullmatch(path.name):
                if not found or found[-1] != path.parent:
                    found.append(path.parent)
            elif path.name.lower().endswith(SUFFIXES) and (root / path).resolve() not in aside:
                found.append(path)
        return cls(list(dict.fromkeys(found)))

    @classmethod
    def of_features(cls, root: Path) -> VideoFiles:
        """Files of features in a folder."""
        return cls([path for path in walk(root) if path.suffix.lower() in FEATURES])

    def find(self, name: str) -> list[PurePosixPath]:
        """What a path or an id means: the file of that path, else those of that name, with any suffix. Often one."""
        known: dict[str, list[PurePosixPath]] = self._known  # type: ignore[attr-defined]
        plain = PurePosixPath(name.replace("\\", "/")).as_posix()
        for candidate in (plain, without_suffix(plain), without_suffix(PurePosixPath(plain).name), safe_filename(name)):
            if candidate and (found := known.get(candidate)):
                return found
        return []
