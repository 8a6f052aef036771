"""RWTH-PHOENIX-Weather 2014T (Camgoz et al., CVPR 2018): German Sign Language weather forecasts, frame folders, German.

    annotations/manual/PHOENIX-2014-T.{train,dev,test}.corpus.csv    separated by "|"
    features/fullFrame-210x260px/{train,dev,test}/<name>/*.png       or <name>/1/*.png

These are in the corpus's folder itself, or in it under the name that the archive unpacks to. Each video is its own
sentence, as in the published evaluation (SPEC 1), even if two have the same text. Glosses are not read, nor are `start`
and `end`, which are -1 throughout.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from seds.config import Dataset
from seds.corpora.readers import delimited
from seds.corpora.readers.quoting import trim
from seds.corpora.readers.texts import clean
from seds.tables import ANNOTATIONS, SPLITS, TableError

LANGUAGE = "de"
FPS = 25.0
TOPS = ("", "PHOENIX-2014-T", "PHOENIX-2014-T-release-v3/PHOENIX-2014-T")
ANNOTATION = "annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
FRAMES = "features/fullFrame-210x260px"
COLUMNS = ("name", "video", "start", "end", "speaker", "orth", "translation")


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`, with the official splits.

    Raises TableError naming the file if a split's annotation is missing or not of this format.
    """
    top = _top(root)
    rows = []
    for split in SPLITS:
        for row in delimited.read(top / ANNOTATION.format(split=split), "|", COLUMNS):
            name, text = trim(row.fields["name"]), row.fields["translation"]
            problem = row.problem or ("" if name else f"{row.line}: has no name")
            folder = top / FRAMES / split / name
            rows.append(
                {
                    "video_id": name or row.line,
                    "sentence_id": name or row.line,
                    "split": split,
                    "text": clean(text),
                    "text_original": text,
                    "language": LANGUAGE,
                    "signer": trim(row.fields["speaker"]),
                    # Some copies keep the camera number as a folder, as the annotations have it.
                    "path": (folder / "1" if os.path.isdir(folder / "1") else folder).as_posix(),
                    "start_s": None,
                    "end_s": None,
                    "fps": FPS,
                    "bbox": "",
                    "problem": problem,
                    "stated_frames": None,
                }
            )
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def _top(root: Path) -> Path:
    """The folder that holds annotations and features."""
    for top in TOPS:
        if (root / top / ANNOTATION.format(split="train")).is_file():
            return root / top
    expected = "\n".join(f"  {root / top / ANNOTATION.format(split='train')}" for top in TOPS)
    raise TableError(f"no PHOENIX-2014T annotations; expected one of\n{expected}")
