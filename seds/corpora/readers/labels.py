"""Label files of Uni-Sign (Li et al., ICLR 2025) and of the gloss-free translation code before it, as captions.

    labels.train, labels.dev, labels.test    a compressed pickle each: {key: {name, text, video_path, ...}}
    CSL_News_Labels.json                     a list of {video, text, ...}

They hold the sentences in the language that they were spoken in: Chinese of CSL-Daily, German of PHOENIX-2014T. Videos
are called by a key or a path, dev/NAME or NAME.mp4.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from reprlib import repr as brief
from typing import Any

from seds.corpora import pickles
from seds.corpora.media import MEDIA
from seds.corpora.readers import json_files
from seds.errors import unicode_text
from seds.tables import TableError

_PICKLE = re.compile(r"labels(?:-[\w-]+)?\.(?:train|dev|test)(?:\.gz)?")
_JSON = re.compile(r".*labels.*\.json", re.IGNORECASE)
_NAMES = ("name", "video_path", "video")


def files(source: Path) -> list[Path]:
    """The label files that a path is, or that are in the folder; none if it is something else."""
    found = sorted(source.iterdir()) if source.is_dir() else [source]
    return [file for file in found if file.is_file() and (_PICKLE.fullmatch(file.name) or _JSON.fullmatch(file.name))]


def read(sources: list[Path]) -> dict[str, str]:
    """The texts of label files by the names of their videos (see `name_of`); of two for one, the first counts.

    Raises TableError, PickleError, naming the file, for one that cannot be read.
    """
    texts: dict[str, str] = {}
    for file in sources:
        for key, entry in _entries(file):
            text = entry.get("text") if isinstance(entry, dict) else None
            if not isinstance(text, str):
                raise TableError(f"{file}: {brief(key)}: expected a text, got {brief(entry)}")
            for name in (key, *(entry.get(name) for name in _NAMES)):
                if isinstance(name, str) and name:
                    texts.setdefault(name_of(name), unicode_text(text))
    return texts


def name_of(video: str) -> str:
    """What a video is known by: the name of its file, without the suffix of one."""
    name = video.rpartition("/")[2]
    return name[: -len(suffix)] if (suffix := PurePosixPath(name).suffix).lower() in MEDIA else name


def _entries(file: Path) -> Iterator[tuple[Any, Any]]:
    if _JSON.fullmatch(file.name):
        yield from enumerate(json_files.load(file, list))
        return
    try:
        with gzip.open(file) as stream:
            content = pickles.loads(stream.read(pickles.MAX_BYTES + 1), file)
    except (OSError, EOFError, zlib.error) as error:
        raise TableError(f"{file} is not a whole gzip file: {error}") from None
    if not isinstance(content, dict):
        raise TableError(f"{file}: expected a dict by video, got {brief(content)}")
    yield from content.items()
