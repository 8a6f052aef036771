"""The keypoint quality of a corpus as one page to look at: worst videos first, nothing loaded from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from seds import tables
from seds.pages import html
from seds.pages.html import jpeg_url
from seds.show import quality
from seds.show.contact_sheet import FOLDER, Corpus, ShowError, evenly, find, pictures, state
from seds.show.keypoint_quality import KEYPOINT_QUALITY, measure_corpus
from seds.system.files import write_text
from seds.video import VideoError

TABLE_ROWS = 500  # videos in the page's table; the Parquet file has all
LEFT_OUT_ROWS = 50  # videos named of each reason
GROUPS = 16  # signers shown, those with most videos
_BINS = 20
_THUMB = 240  # px

# Column, name, what it says, and whether it is a share: others have a scale that ends at their largest 95th percentile.
COLUMNS = (
    ("left_visible", "left hand visible", "share of the frames read with a crop of it", True),
    ("right_visible", "right hand visible", "share of the frames read with a crop of it", True),
    ("dropped", "dropped frames", "share of the frames read with neither hand", True),
    ("guessed", "guessed crops", "share of the hand crops that come from the arm", True),
    ("blank", "blank joints", "share of the joints in the crops that the gate sets to zero", True),
    ("body_confidence", "body confidence", "mean of the seven joints that the model reads", True),
    ("left_confidence", "left hand confidence", "mean where the hand was found", True),
    ("right_confidence", "right hand confidence", "mean where the hand was found", True),
    ("jitter", "jitter", "median second difference of wrists and fingers, in shoulder widths", False),
)


@dataclass(frozen=True)
class Spread:
    """How a measure spreads in a group of videos: percentiles 5, 25, 50, 75 and 95; None where nothing is known."""

    group: str
    videos: int
    percentiles: tuple[float, ...] | None


@dataclass(frozen=True)
class Distribution:
    """A measure over the corpus: videos a bin of equal width from 0 to `end`, and its spread in each group."""

    column: str
    name: str
    meaning: str
    share: bool
    end: float
    bins: tuple[int, ...]
    spreads: tuple[Spread, ...]


@dataclass(frozen=True)
class Thumbnail:
    """A drawn frame as a data: URL, and what it shows."""

    url: str
    frame: int
    state: str


@dataclass(frozen=True)
class WorstVideo:
    """One of the worst videos: its row, its pictures or why there are none, the command that shows more."""

    row: dict[str, object]
    thumbnails: tuple[Thumbnail, ...]
    problem: str
    command: str


def write_page(corpus: Corpus, output: Path | None, worst: int, frames: int) -> str:
    """Measure a corpus; write its page, by default show/<corpus>/keypoints.html, and the table as Parquet beside it.

    Returns a line that says so. Raises ShowError for a suffix other than .html, ShardError, TableError.
    """
    path = output or FOLDER / corpus.name / "keypoints.html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise ShowError(f"{path}: the page of a corpus is an .html file, not {path.suffix or 'without suffix'!r}")
    table = measure_corpus(corpus)
    parquet = path.with_suffix(".parquet")
    text = page(corpus, table, parquet.name, worst, frames)
    tables.write(table, KEYPOINT_QUALITY, parquet)
    write_text(path, text)
    measured = int((table["status"] == "ok").sum())
    return f"{path}: {measured} of {len(table)} videos measured; all numbers in {parquet.name} beside it"


def page(corpus: Corpus, table: pd.DataFrame, parquet: str, worst: int, frames: int) -> str:
    """The page of a KEYPOINT_QUALITY table, HTML. Raises ShardError.

    parquet: name of the file beside the page that holds the whole table; worst: videos shown with `frames` pictures.
    """
    measured = table[table["status"] == "ok"]
    groups = _groups(measured)
    environment = html.environment("seds.show")
    environment.filters.update(percent=_percent, number=_number)
    script = files("seds.show").joinpath("sort.js").read_text(encoding="utf-8")
    return environment.get_template("keypoints.html.j2").render(
        name=corpus.name,
        estimator=" ".join(filter(None, map(corpus.pose.metadata.get, ("estimator", "estimator_version", "config")))),
        rules=corpus.rules,
        total=len(table),
        measured=len(measured),
        frames=int(measured["frames"].sum()),
        left_out=_left_out(table[table["status"] != "ok"]),
        distributions=[_distribution(measured, groups, *column) for column in COLUMNS],
        groups=groups,
        columns=COLUMNS,
        cases=[_case(corpus, row, frames) for row in measured.head(worst).to_dict("records")],
        rows=measured.head(TABLE_ROWS).to_dict("records"),
        parquet=parquet,
        restless=quality.RESTLESS,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _groups(measured: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The videos of each group that is compared: all, the splits, and the signers with most videos."""
    groups = {"all": measured}
    by_split = dict(iter(measured.groupby("split")))
    groups |= {split: by_split[split] for split in tables.SPLITS if split in by_split}
    known = measured[measured["signer"] != ""]
    for name in known["signer"].value_counts().index[:GROUPS]:
        groups[f"signer {name}"] = known[known["signer"] == name]
    return groups


def _distribution(
    measured: pd.DataFrame, groups: dict[str, pd.DataFrame], column: str, name: str, meaning: str, share: bool
) -> Distribution:
    spreads = tuple(Spread(group, len(rows), _percentiles(rows[column])) for group, rows in groups.items())
    end = 1.0 if share else max((s.percentiles[-1] for s in spreads if s.percentiles), default=0.0) or 1.0
    values = measured[column].dropna().clip(0, end)  # what lies beyond the end is in the last bin
    bins = np.histogram(values, _BINS, (0, end))[0].tolist()
    return Distribution(column, name, meaning, share, end, tuple(bins), spreads)


def _percentiles(values: pd.Series) -> tuple[float, ...] | None:
    known = values.dropna()
    return tuple(np.percentile(known, (5, 25, 50, 75, 95)).tolist()) if len(known) else None


def _left_out(rows: pd.DataFrame) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """(reason, videos, the first with id and detail), commonest reason first."""
    groups = sorted(rows.groupby("status", sort=False), key=lambda group: -len(group[1]))
    return [
        (reason, len(some), list(some[["video_id", "detail"]].head(LEFT_OUT_ROWS).itertuples(index=False, name=None)))
        for reason, some in groups
    ]


def _case(corpus: Corpus, row: dict[str, object], count: int) -> WorstVideo:
    video_id = str(row["video_id"])
    clip = find(corpus, video_id)
    # An id may begin with a dash, and one with control characters cannot be typed as it is shown.
    command = shlex.join(["seds", "show", corpus.name, *(["--"] if video_id.startswith("-") else []), video_id])
    numbers = evenly(clip.track, count)
    try:
        drawn = pictures(clip, numbers, min(_THUMB, 2 * clip.width), corpus.rules)
    except VideoError as error:
        return WorstVideo(row, (), str(error), command)
    return WorstVideo(row, _thumbnails(drawn, numbers, [state(clip.track, number) for number in numbers]), "", command)


def _thumbnails(drawn: Sequence[np.ndarray], numbers: Sequence[int], states: Sequence[str]) -> tuple[Thumbnail, ...]:
    return tuple(map(Thumbnail, map(jpeg_url, drawn), numbers, states))


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.0f} %"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
