"""MS-ASL (Joze and Koller, BMVC 2019): single signs of American Sign Language, parts of films on YouTube.

    MSASL_{train,val,test}.json    in the corpus's folder or in MS-ASL/
    .../<YouTube id>.mp4           in any folder

Times are `start_time` and `end_time` in s: the frames beside them count at the rate of the film that was annotated.
`box` is top, left, bottom, right in shares of the frame (the corpus's README is not at hand; so read, its boxes are as
high as people are).
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds.config import Dataset
from seds.corpora.media import Files
from seds.corpora.readers import json_files, layouts, single_signs
from seds.corpora.readers.wlasl import youtube_id
from seds.video.cuts import seconds_text

SPLITS = ("train", "val", "test")
MARKS = ("MSASL_train.json", "MS-ASL/MSASL_train.json", "*/MSASL_train.json")


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`. Raises TableError, naming the file, as seds.corpora.readers says."""
    top, files = layouts.need(root, "MS-ASL", *MARKS).parent, Files.below(root)
    rows = []
    for split in SPLITS:
        file = top / f"MSASL_{split}.json"
        for number, entry in enumerate(json_files.load(file, list)):
            at = f"{file}: entry {number}"
            try:
                rows.append(_row(entry, split, root, files, at))
            except ValueError as error:
                rows.append(single_signs.row(at, split, "", root / f"{number}.mp4", problem=f"{at}: {error}"))
    return single_signs.table(rows)


def _row(entry: Any, split: str, root: Path, files: Files, at: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        raise ValueError("expected a dict")
    film = youtube_id(json_files.text(entry, "url"))
    if not film:
        raise ValueError(f"expected the address of a film on YouTube, got {json_files.text(entry, 'url')!r}")
    start, end = json_files.number(entry, "start_time"), json_files.number(entry, "end_time")
    if math.isnan(start) or math.isnan(end):
        raise ValueError("expected start_time and end_time")
    sides = json_files.numbers(entry, "box", 4)
    box = layouts.box_of_shares([sides[i] for i in (1, 0, 3, 2)] if sides else [])
    found = files.with_stem(film, PurePosixPath("videos"))
    return single_signs.row(
        f"{film} {seconds_text(start)}-{seconds_text(end)}", split,
        json_files.text(entry, "clean_text") or json_files.text(entry, "text"), root / (found or f"videos/{film}.mp4"),
        start_s=start, end_s=end, signer=json_files.text(entry, "signer_id"), bbox=box, at=at,
    )  # fmt: skip
