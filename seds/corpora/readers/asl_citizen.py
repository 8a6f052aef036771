"""ASL Citizen (Desai et al., NeurIPS 2023): single signs of American Sign Language, filmed at home by 52 people.

    splits/{train,val,test}.csv    with a header: Participant ID, Video file, Gloss, ASL-LEX Code
    videos/<Video file>

These are in the corpus's folder itself or in ASL_Citizen/. The gloss is the table's: the names of files hold another
spelling of it, and one of them none.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seds.config import Dataset
from seds.corpora.readers import delimited, layouts, single_signs
from seds.corpora.readers.quoting import trim

NAMES = {"train": "train", "val": "dev", "test": "test"}
MARKS = ("splits/train.csv", "ASL_Citizen/splits/train.csv")
COLUMNS = ("Participant ID", "Video file", "Gloss", "ASL-LEX Code")


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`. Raises TableError, naming the file, as seds.corpora.readers says."""
    top = layouts.need(root, "ASL Citizen", *MARKS).parent.parent
    rows = []
    for split in NAMES:
        for line in delimited.read(top / f"splits/{split}.csv", ",", COLUMNS, quoted=True):
            signer, file, gloss, _ = map(trim, list(line.fields.values())[: len(COLUMNS)])
            problem = line.problem or ("" if file else f"{line.line}: names no video")
            name = file.removesuffix(".mp4") or line.line
            rows.append(
                single_signs.row(
                    name, split, gloss, top / "videos" / file, signer=signer, problem=problem, at=line.line
                )
            )
    return single_signs.table(rows)
