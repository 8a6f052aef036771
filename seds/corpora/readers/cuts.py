"""What readers of long videos share: each sentence is a cut of its file."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds.corpora.readers import splits
from seds.corpora.readers.texts import clean
from seds.errors import unicode_text
from seds.tables import ANNOTATIONS, SPLITS
from seds.video.cuts import seconds_text

log = logging.getLogger(__name__)


def cut(
    name: str, path: Path, start_s: float, end_s: float, text: str, language: str, problem: str = "", **more: object
) -> dict[str, Any]:
    """A row of ANNOTATIONS. name: its video_id. path: of the file. more: other columns.

    A file whose name is no UTF-8 is a row with a problem: no table can name it.
    """
    words, name, place = clean(text), unicode_text(name), unicode_text(path.as_posix())
    if place != path.as_posix():
        problem = problem or f"{place}: the name is no UTF-8, so no table can hold it; rename the file"
    problem = unicode_text(problem)
    return {
        "video_id": name,
        "sentence_id": splits.sentence_id(words, name),
        "split": "",
        "text": words,
        "text_original": text,
        "language": language,
        "signer": "",
        "path": place,
        "start_s": math.nan if problem else max(0.0, start_s),
        "end_s": math.nan if problem else end_s,
        "fps": math.nan,
        "problem": problem,
        **{name: unicode_text(value) if isinstance(value, str) else value for name, value in more.items()},
    }


def time_problem(start_s: float, end_s: float) -> str:
    """Why two times in s make no cut, or ""."""
    if not (math.isfinite(start_s) and math.isfinite(end_s)):
        return f"begins at {seconds_text(start_s)} s and ends at {seconds_text(end_s)} s"
    if end_s <= start_s:
        return f"begins at {seconds_text(start_s)} s, but ends at {seconds_text(end_s)} s"
    return f"ends at {seconds_text(end_s)} s, before its video begins" if end_s <= 0 else ""


def table(rows: Sequence[dict[str, Any]], groups: Sequence[str], root: Path) -> pd.DataFrame:
    """The ANNOTATIONS table of rows that `cut` made, with their splits.

    groups: of each row, whatever shall not be in two splits, such as its video or signer. Where every file is below a
    folder that is named as a split, these are the splits; otherwise they are drawn.
    """
    result = pd.DataFrame(list(rows), columns=list(ANNOTATIONS.columns))
    named = [_split_of(PurePosixPath(path), root) for path in result["path"]]
    if rows and all(named):
        result["split"] = named
        return result
    valid = result["problem"] == ""
    chosen = [unicode_text(group) for group, is_valid in zip(groups, valid, strict=True) if is_valid]
    drawn, rule = splits.assign(result.loc[valid, "sentence_id"], result.loc[valid, "text"], chosen)
    result.loc[valid, "split"] = drawn
    if valid.any():
        counts = ", ".join(f"{drawn.count(split)} {split}" for split in SPLITS)
        log.info("%s has no splits; chosen by %s: %s", root, rule.replace("signer", "video or signer"), counts)
    return result


def as_patterns(value: str | Iterable[str] | None) -> tuple[str, ...]:
    """A parameter that is one name or several."""
    return () if value is None else (value,) if isinstance(value, str) else tuple(value)


def _split_of(path: PurePosixPath, root: Path) -> str:
    """The split that a folder in which the file lies is named as; "" if none is."""
    parents = path.relative_to(root.as_posix()).parts[:-1] if path.is_relative_to(root.as_posix()) else ()
    return next((split for part in parents if (split := splits.split_of(part))), "")
