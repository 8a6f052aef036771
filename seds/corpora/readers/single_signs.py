"""What readers of single signs share, of dictionaries and corpora of isolated signs: each row is one sign's video."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from seds.corpora.readers import cuts, splits
from seds.corpora.readers.quoting import trim
from seds.errors import unicode_text
from seds.tables import ANNOTATIONS

LANGUAGE = "en"  # of the glosses of all corpora that are read so


def words(sign: str) -> str:
    """What the name of a sign says: TO_GO -> TO GO."""
    return " ".join(sign.replace("_", " ").split())


def row(
    video_id: str,
    split: str,
    sign: str,
    path: Path,
    *,
    start_s: float = math.nan,
    end_s: float = math.nan,
    signer: str = "",
    bbox: str = "",
    problem: str = "",
    at: str = "",
) -> dict[str, Any]:
    """A row of ANNOTATIONS. start_s, end_s: of a cut, NaN for the file's own. at: its place, before a problem.

    split: what the corpus calls it. What is missing, or an end that is not behind its start, is a problem.
    """
    sign, ours = trim(sign), splits.split_of(split)
    if not problem:
        if not sign:
            problem = "names no sign"
        elif not ours:
            problem = f"expected train, dev or test as its split, got {split!r}"
        elif start_s >= end_s or end_s <= 0:
            problem = f"begins at {start_s:g} s, but ends at {end_s:g} s"
        problem = f"{at}: {problem}" if at and problem else problem
    made = cuts.cut(video_id, path, 0, 0, words(sign), LANGUAGE, problem, signer=signer, sign=sign, bbox=bbox)
    times = (math.nan, math.nan) if problem or (start_s <= 0 and math.isnan(end_s)) else (start_s, end_s)
    return {**made, "split": ours, "start_s": times[0], "end_s": times[1], "text_original": unicode_text(sign)}


def table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The ANNOTATIONS table of rows."""
    return pd.DataFrame(list(rows), columns=list(ANNOTATIONS.columns))
