"""How2Sign (Duarte et al., CVPR 2021), American Sign Language: front-view sentence clips and re-aligned English text.

Two layouts of its folder are known (LAYOUTS), told apart by where a split's annotation file lies: a short one, and the
one that the official download script makes. The clips are already cut, by the speech's timing; START_REALIGNED and
END_REALIGNED are positions in the full video, so they mean nothing in a clip and are not used.
"""

from __future__ import annotations

import csv
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from seds.tables import ANNOTATIONS, TableError

LANGUAGE = "en"
SPLITS = {"train": "train", "val": "dev", "test": "test"}  # the corpus's names -> ours
LAYOUTS = (  # (annotation file, folder of the clips)
    ("how2sign_realigned_{split}.csv", "{split}/raw_videos"),
    (
        "sentence_level/{split}/text/en/raw_text/re_aligned/how2sign_realigned_{split}.csv",
        "sentence_level/{split}/rgb_front/raw_videos",
    ),
)
COLUMNS = (
    "VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME", "START_REALIGNED", "END_REALIGNED", "SENTENCE",
)  # fmt: skip
# --7E2sU6zP4_10-5-rgb_front: sentence 10 of a YouTube video (whose id may hold - and _), signer 5, front camera.
_SIGNER = re.compile(r"-(\d+)-rgb_\w+$")

log = logging.getLogger(__name__)


def read_annotations(root: Path) -> pd.DataFrame:
    """The ANNOTATIONS table of the How2Sign copy in `root`; its `val` is our `dev`.

    A sentence id owns the clips of every signer who was recorded with that sentence. A row without text is kept and
    logged. Raises TableError naming file and line for a missing or malformed annotation file and a clip named twice.
    """
    rows: list[dict[str, object]] = []
    seen: dict[str, str] = {}
    for theirs, ours in SPLITS.items():
        file, clips = _layout(root, theirs)
        for line, row in _rows(file):
            name, place = row["SENTENCE_NAME"], f"{file}:{line}"
            if name in seen:
                raise TableError(f"{place}: SENTENCE_NAME {name!r} stands already at {seen[name]}; expected it once")
            seen[name] = place
            text = row["SENTENCE"].strip()
            if not text:
                log.warning("%s: %s has no text", place, name)
            signer = _SIGNER.search(name)
            rows.append(
                {
                    "video_id": name,
                    "sentence_id": row["SENTENCE_ID"],
                    "split": ours,
                    "text": text,
                    "text_original": row["SENTENCE"],
                    "language": LANGUAGE,
                    "signer": signer[1] if signer else "",
                    "path": (clips / f"{name}.mp4").as_posix(),
                    "start_s": None,
                    "end_s": None,
                }
            )
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def _layout(root: Path, split: str) -> tuple[Path, Path]:
    """The annotation file and the clip folder of a split, in whichever layout is there."""
    for file, clips in LAYOUTS:
        if (root / file.format(split=split)).is_file():
            return root / file.format(split=split), root / clips.format(split=split)
    expected = "\n".join(f"  {root / f.format(split=split)} with {root / c.format(split=split)}/" for f, c in LAYOUTS)
    raise TableError(f"no How2Sign annotations of split {split!r}; expected one of\n{expected}")


def _rows(file: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and columns of each row. The files are tab-separated, with quotation marks doubled inside quotes."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.reader(lines, delimiter="\t")
            header = next(reader, [])
            if tuple(header) != COLUMNS:
                raise TableError(f"{file}:1: expected the columns {', '.join(COLUMNS)}, got {', '.join(header)!r}")
            for row in reader:
                if len(row) != len(COLUMNS) or "\n" in row[-1]:
                    raise TableError(
                        f"{file}:{reader.line_num}: expected {len(COLUMNS)} tab-separated columns on one line, "
                        f"got {len(row)}: {row!r:.200}; is a quotation mark left open?"
                    )
                yield reader.line_num, dict(zip(COLUMNS, row, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{file} is not a tab-separated UTF-8 file: {error}") from None
