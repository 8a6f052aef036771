"""Your own videos: a folder, and a table that says what is signed in them.

The table is data/raw/<name>/videos.csv, .tsv (or .csv.gz, .tsv.gz), .xlsx, .ods or .parquet, or what `annotations` in
params.yaml names, a path in that folder. Columns, in any order; others are ignored:

    path          of the video (or of a folder of frames), relative to the table's folder
    text          what is signed
    video_id      its name; default: the path, and the times of a cut
    sentence_id   videos with the same id belong to one sentence; default: those with the same text
    split         train, dev or test, in every row; default: see seds.corpora.readers.splits
    start_s end_s a part of a longer video, seconds, or times such as 00:00:14.100
    signer        who signs
    bbox          the signer's place in the frame, "left,top,right,bottom" px, or all four in percent, "10%,0%,90%,100%"
    language      of the text, such as en, en-US or eng, kept as ISO 639-1; default: en
    fps           of a folder of frames
    sign          the one sign that the video shows, where it shows one sign instead of a sentence, as in a dictionary
    pair          the same word in the two sentences of a minimal pair, which differ in one thing alone
    contrast      what they differ in: brows, mouth, head, ...

seds.corpora.readers.sheets says how tables may be written. What stands in them is read as it was meant (decimal commas,
paths of Windows, other names of splits; seds.corpora.readers.values), and what was guessed is logged.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import pandas as pd

from seds.config import Dataset
from seds.corpora.readers import sheets, splits, values
from seds.corpora.readers.languages import language_code
from seds.corpora.readers.quoting import trim
from seds.corpora.readers.texts import clean
from seds.corpora.readers.values import Guesses
from seds.tables import ANNOTATIONS, SPLITS, TableError
from seds.video.boxes import format_box, parse_box
from seds.video.cuts import seconds_text

TABLES = ("videos.csv", "videos.tsv", "videos.parquet", "videos.csv.gz", "videos.tsv.gz", "videos.xlsx", "videos.ods")
NEEDED = ("path", "text")
OPTIONAL = (
    *("video_id", "sentence_id", "split", "start_s", "end_s", "signer", "bbox", "language", "fps"),
    *("sign", "pair", "contrast"),
)
NUMBERS = ("start_s", "end_s", "fps")
LANGUAGE = "en"

log = logging.getLogger(__name__)


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the folder `root`, one row for each row of its table.

    An invalid row (too few fields, a time that is not a number, an unknown split) keeps its place, with its problem.
    Raises TableError, naming the file, if the table is missing, unreadable or lacks a column.
    """
    file = _table(root, dataset.annotations)
    names = {"path": lambda path: os.path.lexists(file.parent / path)}
    return rows(list(sheets.read(file, NEEDED, OPTIONAL, names)), file.parent, file)


def rows(records: Sequence[Mapping[str, str]], folder: Path, file: Path) -> pd.DataFrame:
    """The ANNOTATIONS table of the records of `file`, whose paths are in `folder`; with splits, where none has one."""
    with_splits = any(trim(record.get("split", "")) for record in records)
    guesses = Guesses()
    commas = {name for name in NUMBERS if values.has_decimal_commas(trim(record.get(name, "")) for record in records)}
    table = pd.DataFrame(
        [_row(record, folder, with_splits, commas, guesses) for record in records], columns=list(ANNOTATIONS.columns)
    )
    guesses.say(file)
    if not with_splits:
        _split(table, file)
    return table


def _table(root: Path, name: str | None) -> Path:
    if name is not None:
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise TableError(f"annotations: {name!r} is outside {root}; copy or link the table there")
        if not sheets.exists(root / name):
            raise TableError(f"{root / name} not found; params.yaml names it under `annotations`")
        return root / name
    tables = [root / name for name in TABLES if sheets.exists(root / name)]
    if len(tables) != 1:
        which = " and ".join(map(str, tables)) or "none of them"
        others = sorted(p.name for p in root.glob("[vV][iI][dD][eE][oO][sS].*") if not tables and p.is_file())
        unread = f" but {others[0]}, whose name or kind is another (save it as CSV UTF-8)" if others else ""
        raise TableError(
            f"{root}: expected one of {', '.join(TABLES)}, found {which}{unread}; "
            "`annotations` under the corpus in params.yaml may name another file"
        )
    return tables[0]


def _row(
    record: Mapping[str, str], folder: Path, with_splits: bool, commas: Set[str], guesses: Guesses
) -> dict[str, Any]:
    """A row of ANNOTATIONS; what is wrong with it is its `problem`. commas: columns with decimal commas."""
    problems: list[str] = []

    def field(name: str) -> str:
        return trim(record.get(name, ""))

    def number(name: str, least: float) -> float:
        text = field(name)
        try:
            value = values.number(text, name, name in commas, guesses)
            if text and not (math.isfinite(value) and value >= least):
                raise ValueError
        except ValueError:
            problems.append(
                f"{name} {text!r}: expected a number of at least {least:g}, with a decimal point, or a time"
            )
            return math.nan
        return value

    path, original = record.get("path", ""), record.get("text", "")
    if path != trim(path) and not os.path.lexists(folder / path):  # a name may begin or end with a blank
        path = trim(path)
    path = values.windows_path(path, folder, guesses)
    if not path:
        problems.append("path is empty")
    start, end, fps = number("start_s", 0.0), number("end_s", 0.0), number("fps", 0.001)
    if start >= end:
        problems.append(f"start_s {_seconds(start)} is not before end_s {_seconds(end)}")
    split = splits.split_of(field("split"))
    if split and field("split") != split:
        guesses.note("split", field("split"), split)
    if with_splits and not split:
        problems.append(f"split {record.get('split', '')!r}: expected {', '.join(SPLITS)}")
    bbox = ""
    try:
        sides = field("bbox")
        if ";" in sides:  # so that its numbers can have decimal commas
            sides = ",".join(side.replace(",", ".") for side in sides.split(";"))
        sides = ",".join(map(trim, sides.split(",")))
        bbox = sides if sides.count("%") == 4 else format_box(parse_box(sides))
    except ValueError as error:
        problems.append(str(error))
    cut = "" if math.isnan(start) and math.isnan(end) else f" {_seconds(start)}-{_seconds(end)}"
    video_id = field("video_id") or f"{path}{cut}"
    text = clean(original)
    return {
        "video_id": video_id,
        "sentence_id": field("sentence_id") or splits.sentence_id(text, video_id),
        "split": split,
        "text": text,
        "text_original": original,
        "language": language_code(field("language")) or LANGUAGE,
        "signer": field("signer"),
        "path": (folder / path).as_posix() if path else "",
        "start_s": start,
        "end_s": end,
        "fps": fps,
        "bbox": bbox,
        "sign": field("sign"),
        "pair": field("pair"),
        "contrast": field("contrast"),
        "problem": record.get("problem") or "; ".join(problems),  # fields out of place make no sense either
    }


def _seconds(value: float) -> str:
    return "" if math.isnan(value) else seconds_text(value)


def _split(table: pd.DataFrame, file: Path) -> None:
    """Fill `split` of a table that has none."""
    valid = table["problem"] == ""
    rows = table[valid]
    drawn, rule = splits.assign(rows["sentence_id"], rows["text"], rows["signer"])
    table.loc[valid, "split"] = drawn
    if valid.any():
        counts = ", ".join(f"{drawn.count(split)} {split}" for split in SPLITS)
        log.info("%s has no splits; chosen by %s: %s videos", file, rule, counts)
