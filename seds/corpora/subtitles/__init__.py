"""Subtitles of every make as cues: what stands on the screen from when to when, as plain text.

Files that break the rules of their format are read where what they mean is plain; a cue that makes no sense is returned
with its problem, so that nothing vanishes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from seds.corpora.contents import read_text
from seds.corpora.subtitles import ass, blocks, json3, ttml
from seds.corpora.subtitles.cues import Cue

__all__ = ["SUFFIXES", "Cue", "read"]

_READERS: dict[str, Callable[[str], Iterator[Cue]]] = {
    ".vtt": blocks.vtt,
    ".srt": blocks.srt,
    ".ass": ass.read,
    ".ssa": ass.read,
    ".json3": json3.read,
}
SUFFIXES = (".vtt", ".srt", ".ass", ".ssa", ".ttml", ".dfxp", ".json3")  # of two for a video, the first is read

log = logging.getLogger(__name__)


def read(file: Path) -> Iterator[Cue]:
    """The cues of a file by its suffix, in the order of the file.

    Raises ContentError and XmlError for a file that cannot be read at all.
    """
    suffix = file.suffix.lower()
    if suffix not in _READERS:
        yield from ttml.read(file)
        return
    text, encoding = read_text(file)
    if encoding == "cp1252":
        log.warning("%s is not UTF-8; read as Windows-1252", file)
    yield from _READERS[suffix](text)
