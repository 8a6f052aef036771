"""OpenASL (Shi et al., EMNLP 2022): American Sign Language from YouTube, news and vlogs, with English text.

    openasl-v1.0.tsv               in the corpus's folder or in data/; separated by tabs, without quoting
    bbox-v1.0.json                 beside it, optional: where the signer is, in shares of the frame
    .../<vid>.mp4                  clips, in any folder; `vid` has colons, for which people put _ or -
    .../<yid>.mp4                  or the films as they are

The corpus's own script cuts clips to the signer, so boxes are for films only. A sentence is read from its clip if there
is one; otherwise it is a cut of its film.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds.config import Dataset
from seds.corpora.media import Files
from seds.corpora.readers import cuts, delimited, json_files, layouts, splits
from seds.corpora.readers.quoting import trim
from seds.corpora.subtitles.cues import seconds
from seds.tables import ANNOTATIONS

LANGUAGE = "en"
MARKS = ("openasl-v*.tsv", "data/openasl-v*.tsv", "*/data/openasl-v*.tsv")
COLUMNS = ("vid", "yid", "start", "end", "raw-text", "tokenized-text", "gloss", "split")


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`. Raises TableError, naming the file, as seds.corpora.readers says."""
    file, files = layouts.need(root, "OpenASL", *MARKS), Files.below(root)
    boxes_file = layouts.find(file.parent, "bbox-v*.json")
    boxes: dict[str, Any] = json_files.load(boxes_file, dict) if boxes_file else {}
    rows = []
    for line in delimited.read(file, "\t", COLUMNS):
        name, film, start, end, text, _, _, split = list(line.fields.values())[: len(COLUMNS)]
        name, film, ours = trim(name), trim(film), splits.split_of(split)
        problem = line.problem
        if not (problem or (name and ours)):
            problem = f"{line.line}: expected a vid and train, valid or test, got {name!r} and {split!r}"
        box, times, clip = "", (math.nan, math.nan), _clip(name, files)
        path = clip or files.with_stem(film, PurePosixPath("raw-video")) or PurePosixPath(f"raw-video/{film}.mp4")
        if clip is None and not problem:
            begin, stop = seconds(start), seconds(end)
            if begin is None or stop is None or cuts.time_problem(begin, stop):
                problem = f"{line.line}: expected start and end of a cut, got {start!r} and {end!r}"
            else:
                times = begin, stop
            try:
                box = layouts.box_of_shares(json_files.numbers(boxes, name, 4))
            except ValueError as error:
                problem = problem or f"{boxes_file}: {name}: {error}"
        row = cuts.cut(name or line.line, root / path, 0, 0, text, LANGUAGE, problem, bbox=box)
        rows.append({**row, "split": ours, "start_s": times[0], "end_s": times[1]})
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def _clip(name: str, files: Files) -> PurePosixPath | None:
    """The clip of a sentence, whatever stands for the colons in its name."""
    stems = (name, name.replace(":", "_"), name.replace(":", "-"), name.replace(":", ""))
    return next((path for stem in stems if stem and (path := files.with_stem(stem, PurePosixPath()))), None)
