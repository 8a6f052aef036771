"""The keypoint quality of a corpus as one self-contained HTML page, worst videos first."""

from __future__ import annotations

import base64
import hashlib
import shlex
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pandas as pd

from seds import tables
from seds.pages import html
from seds.pages.html import jpeg_url
from seds.show import quality
from seds.show.contact_sheet import FOLDER, Corpus, ShowError, draw_frames, find_video, frame_state, spaced_frames
from seds.show.keypoint_quality import KEYPOINT_QUALITY, measure_corpus
from seds.show.moving import webp
from seds.system.files import write_text
from seds.video import VideoError

TABLE_ROWS = 500  # videos in the page's table; the Parquet file has them all
SKIPPED_ROWS = 50  # videos listed per reason
GROUPS = 16  # signers shown, those with the most videos
_BINS = 20
_THUMB = 240  # px

# Column, name, meaning, and whether it is a share. Other scales end at the largest 95th percentile of a group.
COLUMNS = (
    ("left_visible", "left hand visible", "share of the frames read in which it has a crop", True),
    ("right_visible", "right hand visible", "share of the frames read in which it has a crop", True),
    ("dropped", "dropped frames", "share of the frames read in which neither hand has a crop", True),
    ("guessed", "guessed crops", "share of the hand crops that were guessed from the arm", True),
    ("blank", "blank joints", "share of the joints in the crops that are set to zero", True),
    ("body_confidence", "body confidence", "mean over the seven joints that the model reads", True),
    ("left_confidence", "left hand confidence", "mean over the frames in which it was detected", True),
    ("right_confidence", "right hand confidence", "mean over the frames in which it was detected", True),
    ("jitter", "jitter", "median second difference of wrists and fingers, in shoulder widths", False),
)


@dataclass(frozen=True)
class Spread:
    """Percentiles 5, 25, 50, 75 and 95 of a measure in a group of videos; None if there are no values."""

    group: str
    videos: int
    percentiles: tuple[float, ...] | None


@dataclass(frozen=True)
class Distribution:
    """A measure over the corpus: a histogram with equal bins from 0 to `end`, and its spread in each group."""

    column: str
    name: str
    meaning: str
    share: bool
    end: float
    bins: tuple[int, ...]
    spreads: tuple[Spread, ...]


@dataclass(frozen=True)
class Thumbnail:
    """A drawn frame as a data: URL, its number and its state (see `frame_state`)."""

    url: str
    frame: int
    state: str


@dataclass(frozen=True)
class WorstVideo:
    """One of the worst videos: its row, its pictures or why there are none, and the command that shows more.

    moving: where there is no video to look at, the skeleton as a data: URL of an animated picture, else "".
    """

    row: dict[str, object]
    thumbnails: tuple[Thumbnail, ...]
    problem: str
    command: str
    moving: str = ""


def write_page(corpus: Corpus, output: Path | None, worst: int, frames: int) -> str:
    """Measure a corpus; write its page, by default show/<corpus>/keypoints.html, and the table as Parquet beside it.

    Returns a line to print. Raises ShowError for a suffix other than .html, ShardError, TableError.
    """
    path = output or FOLDER / corpus.name / "keypoints.html"
    if path.suffix.lower() not in (".html", ".htm"):
        raise ShowError(f"{path}: the page of a corpus must end in .html, not {path.suffix or 'without suffix'!r}")
    table = measure_corpus(corpus)
    parquet = path.with_suffix(".parquet")
    text = page(corpus, table, parquet.name, worst, frames)
    tables.write(table, KEYPOINT_QUALITY, parquet)
    write_text(path, text)
    measured = int((table["status"] == "ok").sum())
    return f"{path}: {measured} of {len(table)} videos measured; all measures are in {parquet.name} beside it"


def page(corpus: Corpus, table: pd.DataFrame, parquet: str, worst: int, frames: int) -> str:
    """The page of a KEYPOINT_QUALITY table as HTML. Raises ShardError.

    parquet: name of the file beside the page that has the whole table. worst: how many videos are shown with pictures.
    frames: pictures per video.
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
        skipped=_skipped(table[table["status"] != "ok"]),
        distributions=[_distribution(measured, groups, *column) for column in COLUMNS],
        groups=groups,
        columns=COLUMNS,
        worst=[_worst_video(corpus, row, frames) for row in measured.head(worst).to_dict("records")],
        rows=measured.head(TABLE_ROWS).to_dict("records"),
        parquet=parquet,
        restless=quality.RESTLESS,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _groups(measured: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The videos of each group: all, the splits, and the signers with the most videos."""
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
    values = measured[column].dropna().clip(0, end)  # the last bin includes what lies beyond the end
    bins = np.histogram(values, _BINS, (0, end))[0].tolist()
    return Distribution(column, name, meaning, share, end, tuple(bins), spreads)


def _percentiles(values: pd.Series) -> tuple[float, ...] | None:
    known = values.dropna()
    return tuple(np.percentile(known, (5, 25, 50, 75, 95)).tolist()) if len(known) else None


def _skipped(rows: pd.DataFrame) -> list[tuple[str, int, list[tuple[str, str]]]]:
    """(reason, number of videos, id and detail of the first ones), most common reason first."""
    groups = sorted(rows.groupby("status", sort=False), key=lambda group: -len(group[1]))
    return [
        (reason, len(some), list(some[["video_id", "detail"]].head(SKIPPED_ROWS).itertuples(index=False, name=None)))
        for reason, some in groups
    ]


def _worst_video(corpus: Corpus, row: dict[str, object], count: int) -> WorstVideo:
    video_id = str(row["video_id"])
    video = find_video(corpus, video_id)
    # An id may begin with a dash.
    command = shlex.join(["seds", "show", corpus.name, *(["--"] if video_id.startswith("-") else []), video_id])
    numbers = spaced_frames(video.track, count)
    try:
        images = draw_frames(video, numbers, min(_THUMB, 2 * video.width), corpus.rules)
    except VideoError as error:
        return WorstVideo(row, (), str(error), command)
    thumbnails = tuple(
        Thumbnail(jpeg_url(image), number, frame_state(video.track, number))
        for image, number in zip(images, numbers, strict=True)
    )
    moving = "" if video.path else _webp_url(webp(video, min(_THUMB, 2 * video.width), corpus.rules))
    return WorstVideo(row, thumbnails, "", command, moving)


def _webp_url(content: bytes) -> str:
    return "data:image/webp;base64," + base64.b64encode(content).decode()


def _percent(value: float) -> str:
    return "–" if np.isnan(value) else f"{100 * value:.0f} %"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.3f}"
