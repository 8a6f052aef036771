"""WLASL (Li et al., WACV 2020): single signs of American Sign Language from dictionaries and YouTube.

    WLASL_v0.3.json                     or another version
    videos/<video_id>.mp4               what its script makes, or the films as they are
    raw_videos*/<video_id or YouTube id>.mp4

`frame_start` counts from 1 and `frame_end`, -1 for the last one, is part of the sign, both in frames of 25 a second
whatever the film has. The corpus's own script cuts YouTube's films by them when it fills `videos`, and copies the
others; so a film from YouTube that is shorter than its sign's end is the sign alone. That is looked up in a few films,
the only ones that a reader opens, and holds for the copy. Boxes are not read: they are in px of the first films, and
most copies are of another size.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds import video
from seds.config import Dataset
from seds.corpora.media import Files
from seds.corpora.readers import json_files, layouts, single_signs

MARKS = ("WLASL_v*.json", "start_kit/WLASL_v*.json", "*/WLASL_v*.json")
FPS = 25.0  # that frames count at, whatever a film's own
_LOOKED_AT = 9  # films
_YOUTUBE = re.compile(r"(?:youtube\.com/.*?[?&/]v[=/]|youtu\.be/|youtube\.com/(?:embed|shorts)/)([\w-]{11})")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Instance:
    """at: its place in the file. end_s: NaN for the end of the film. youtube: the film's id, or ""."""

    at: str
    video_id: str
    sign: str
    split: str
    signer: str
    start_s: float
    end_s: float
    youtube: str
    problem: str


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`. Raises TableError, naming the file, as seds.corpora.readers says."""
    file, files = layouts.need(root, "WLASL", *MARKS), Files.below(root)
    raw = Files([path for path in files.videos if any(part.startswith("raw") for part in path.parts[:-1])])
    cut = Files([path for path in files.videos if not raw.has(path)])
    instances = list(_instances(file))
    found = [cut.with_stem(instance.video_id, PurePosixPath("videos")) for instance in instances]
    trimmed = _is_trimmed(root, instances, found)
    rows = []
    for instance, path in zip(instances, found, strict=True):
        start, end = instance.start_s, instance.end_s
        if path is not None and trimmed and instance.youtube and not math.isnan(end):
            start = end = math.nan
        elif path is None:
            names = [name for name in (instance.youtube, instance.video_id) if name]
            path = next((film for name in names if (film := raw.with_stem(name, PurePosixPath("raw_videos")))), None)
        place = root / (path or f"videos/{instance.video_id}.mp4")
        rows.append(
            single_signs.row(
                instance.video_id or instance.at, instance.split, instance.sign, place, start_s=start, end_s=end,
                signer=instance.signer, problem=instance.problem, at=instance.at,
            )
        )  # fmt: skip
    return single_signs.table(rows)


def youtube_id(url: str) -> str:
    """The id of a film on YouTube; "" of another address."""
    found = _YOUTUBE.search(url)
    return found[1] if found else ""


def _instances(file: Path) -> Iterator[_Instance]:
    for i, gloss in enumerate(json_files.load(file, list)):
        instances = gloss.get("instances") if isinstance(gloss, dict) else None
        if not isinstance(instances, list):
            yield _bad(f"{file}: entry {i}", "expected a gloss and its instances")
            continue
        for k, entry in enumerate(instances):
            at = f"{file}: entry {i}, instance {k}"
            if isinstance(entry, dict):
                yield _instance(gloss, entry, at)
            else:
                yield _bad(at, "expected an instance")


def _instance(gloss: dict[str, Any], entry: dict[str, Any], at: str) -> _Instance:
    try:
        name = json_files.text(entry, "video_id")
        first, last = json_files.number(entry, "frame_start"), json_files.number(entry, "frame_end")
        whole = math.isnan(last) or last < 0
        start = math.nan if math.isnan(first) or first <= 1 else (first - 1) / FPS
        return _Instance(
            at, name, json_files.text(gloss, "gloss"), json_files.text(entry, "split"),
            json_files.text(entry, "signer_id"), 0.0 if math.isnan(start) and not whole else start,
            math.nan if whole else last / FPS, youtube_id(json_files.text(entry, "url")),
            "" if re.fullmatch(r"[^/\\\0]+", name) else f"{at}: has no video_id",
        )  # fmt: skip
    except ValueError as error:
        return _bad(at, str(error))


def _bad(at: str, problem: str) -> _Instance:
    return _Instance(at, "", "", "", "", math.nan, math.nan, "", f"{at}: {problem}")


def _is_trimmed(root: Path, instances: Sequence[_Instance], found: Sequence[PurePosixPath | None]) -> bool:
    """Whether films from YouTube have been cut: whether most of a few end before their sign is said to."""
    films = [
        (root / path, instance.end_s)
        for instance, path in zip(instances, found, strict=True)
        if path is not None and instance.youtube and not math.isnan(instance.end_s) and instance.start_s > 0
    ]
    shorter, looked = 0, 0
    for path, end_s in films[:: max(1, len(films) // _LOOKED_AT)][:_LOOKED_AT]:
        try:
            info = video.probe(path)
        except (video.VideoError, OSError):
            continue
        looked += 1
        shorter += info.frames / info.fps < end_s - 1 / FPS
    if looked:
        state = "are cut" if 2 * shorter > looked else "are not cut"
        log.info("%s: films from YouTube %s to their signs, as %d of them show", root, state, looked)
    return 2 * shorter > looked
