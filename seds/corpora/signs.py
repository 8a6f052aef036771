"""From what a corpus says of single signs to the signs table: which sign is made when, and which rows make no sense.

A sign is known in two ways. The corpus may have time-aligned signs, which its reader's `read_signs` returns; people
annotated them. Or a video shows one sign and nothing else, as in a dictionary: then `sign` in its row of ANNOTATIONS
says which, and it lasts as long as the video.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds import tables
from seds.config import Dataset
from seds.corpora.readers import SIGN_COLUMNS, signs_reader
from seds.messages import summarise_skipped
from seds.timing import duration_s

Skipped = tuple[str, str, str]  # reason, video_id, detail


def find_signs(
    dataset: Dataset, root: Path, annotations: pd.DataFrame, videos: pd.DataFrame
) -> tuple[pd.DataFrame, list[Skipped]]:
    """The SIGNS table of the corpus in `root`, and the rows that are not in it, each with its reason.

    annotations, videos: its ANNOTATIONS table and the VIDEOS table of the same rows. The signs of a video stand
    together, in the order of the videos and of time. An end that lies beyond that of its video by less than a frame is
    moved there. Raises TableError if a file of signs cannot be read.
    """
    shown = annotations["sign"] != ""
    whole = videos.loc[shown, ["video_id"]].assign(
        start_s=0.0,
        end_s=[duration_s(video) if video.status == "ok" else 0.0 for video in videos[shown].itertuples()],
        tier=tables.MANUAL,
        label=annotations.loc[shown, "sign"],
        source="dictionary",
    )
    aligned = signs_reader(dataset.corpus)(root, dataset)
    lacking = [name for name in SIGN_COLUMNS if name not in aligned]
    if lacking:
        raise tables.TableError(f"the signs in {root}: no column {' and no column '.join(lacking)}")
    aligned = aligned[list(SIGN_COLUMNS)].assign(source="annotation", problem=aligned.get("problem", ""))
    table = pd.concat([whole.assign(problem=""), aligned], ignore_index=True).assign(score=1.0)
    for name in ("start_s", "end_s"):
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    table["label"] = table["label"].fillna("").astype(str).str.strip()

    by_id = {video.video_id: (place, video) for place, video in enumerate(videos.itertuples())}
    places, problems = [], []
    for row in table.itertuples():
        place, video = by_id.get(row.video_id, (-1, None))
        places.append(place)
        problems.append(_problem(row, video))
    skipped = [
        (reason, str(row.video_id), detail)
        for row, (reason, detail) in zip(table.itertuples(), problems, strict=True)
        if reason
    ]
    table = table.assign(place=places)[np.array([not reason for reason, _ in problems], bool)]
    ends = {video_id: duration_s(video) for video_id, (_, video) in by_id.items() if video.status == "ok"}
    table["end_s"] = [min(end, ends[name]) for end, name in zip(table["end_s"], table["video_id"], strict=True)]
    table = table.sort_values(["place", "start_s", "tier", "end_s", "label"], kind="stable", ignore_index=True)
    return tables.check(table.drop(columns=["place", "problem"]), tables.SIGNS, f"the signs in {root}"), skipped


def no_signs() -> pd.DataFrame:
    """The SIGNS table of a corpus without any."""
    return tables.check(pd.DataFrame(columns=list(tables.SIGNS.columns)), tables.SIGNS, "signs")


def summary(signs: pd.DataFrame, skipped: Sequence[Skipped]) -> str:
    """What a SIGNS table holds, by tier; then which rows were left out, and why. Empty for a corpus without signs."""
    if signs.empty and not skipped:
        return ""
    lines = [
        f"signs: {len(rows):,} {tier}, {rows['label'].nunique():,} different, in {rows['video_id'].nunique():,} videos"
        for tier, rows in signs.groupby("tier")
    ]
    if skipped:
        lines.append(f"signs: {summarise_skipped(skipped, len(signs) + len(skipped))}")
    return "\n".join(lines)


def _problem(row: Any, video: Any) -> tuple[str, str]:
    """Why a row of signs cannot be used, as (reason, detail); ("", "") if it can. video: its row of VIDEOS or None."""
    start, end, name = row.start_s, row.end_s, row.label
    times = f"{name!r} from {start:g} to {end:g} s"
    if row.problem:
        return row.problem, times
    if video is None:
        return "unknown video", times
    if video.status != "ok":
        return "its video is left out", times
    if not name:
        return "no label", times
    if row.tier not in tables.TIERS:
        return "unknown tier", f"{row.tier!r}, expected {' or '.join(tables.TIERS)}: {times}"
    if not 0 <= start < end:  # False for NaN too
        return "times out of order", times
    length = duration_s(video)
    if start >= length or end > length + 1 / video.fps:
        return "outside its video", f"{times}, which lasts {length:.2f} s"
    return "", ""
