"""The Sem-Lex Benchmark (Kezar et al., ASSETS 2023): single signs of American Sign Language, as .webm.

    semlex_metadata.csv        with a header; video_id, label, split and, of people, signer_id are read
    .../<video_id>.webm        in any folder

Labels are text: one is "na". Ids occur twice; the first keeps its name.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pandas as pd

from seds.config import Dataset
from seds.corpora.media import Files
from seds.corpora.readers import layouts, sheets, single_signs
from seds.corpora.readers.quoting import trim

MARKS = ("*semlex*metadata*.csv", "*/*semlex*metadata*.csv", "*sem-lex*.csv")


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`. Raises TableError, naming the file, as seds.corpora.readers says."""
    file, files = layouts.need(root, "Sem-Lex", *MARKS), Files.below(root)
    rows = []
    for number, record in enumerate(sheets.read(file, ("video_id", "label", "split"), ("signer_id",)), start=1):
        at = f"{file}, row {number}"
        name = PurePosixPath(trim(record.get("video_id", ""))).name.removesuffix(".webm")
        split, label = trim(record.get("split", "")), record.get("label", "")
        found = files.with_stem(name, PurePosixPath(split)) if name else None
        problem = record.get("problem") or ("" if name else f"{at}: has no video_id")
        path = root / (found or f"{split}/{name or number}.webm")
        signer = trim(record.get("signer_id", ""))
        rows.append(single_signs.row(name or at, split, label, path, signer=signer, problem=problem, at=at))
    return single_signs.table(rows)
