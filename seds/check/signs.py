"""Problems with the single signs of a corpus: rules over its SIGNS table. None of them loses a video, so all are
warnings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from seds import tables
from seds.check.findings import ERROR, WARNING, Finding
from seds.corpora.signs import Skipped


def all_rules(signs: pd.DataFrame, skipped: Sequence[Skipped], videos: pd.DataFrame) -> Iterator[Finding]:
    """The findings of every rule here. skipped: the signs that are not in the table (seds.corpora.signs)."""
    paths, splits = (dict(zip(videos["video_id"], videos[name], strict=True)) for name in ("path", "split"))
    for reason, video_id, detail in skipped:
        yield Finding(WARNING, f"sign left out: {reason}", video_id, paths.get(video_id, ""), detail)
    yield from overlaps(signs, paths)
    yield from vocabulary(signs.assign(split=signs["video_id"].map(splits)))


def needed(signs: pd.DataFrame | None, videos: pd.DataFrame) -> Iterator[Finding]:
    """What training with a loss of single signs lacks. signs: SIGNS, None = the corpus has no such table."""
    train = set(videos.loc[videos["split"] == "train", "video_id"])
    if signs is None or not ((signs["tier"] == tables.MANUAL) & signs["video_id"].isin(train)).any():
        detail = (
            "train.ideas.sign_weight is not 0 (train.method cslr2 sets it), and no training video has a manual sign"
        )
        yield Finding(ERROR, "no signs to train on", "", "", detail)


def overlaps(signs: pd.DataFrame, paths: dict[str, str]) -> Iterator[Finding]:
    """Signs that begin before the one before them ends: of the hands, which make one sign at a time, any; of face and
    head, which may show several markers at once, those with the same label.
    """
    manual = signs["tier"] == tables.MANUAL
    lanes = signs.assign(lane=signs["label"].where(~manual, ""))
    for (video_id, tier, _), rows in lanes.groupby(["video_id", "tier", "lane"], sort=False):
        rows = rows.sort_values("start_s", kind="stable")
        end, last = -1.0, ""
        for row in rows.itertuples():
            if row.start_s < end:
                detail = f"{row.label!r} begins at {row.start_s:g} s, before {last!r} ends at {end:g} s"
                yield Finding(WARNING, f"{tier} signs overlap", video_id, paths[video_id], detail)
            if row.end_s > end:
                end, last = row.end_s, row.label


def vocabulary(signs: pd.DataFrame) -> Iterator[Finding]:
    """Labels that training has too little of. signs: SIGNS with the `split` of each."""
    for tier, rows in signs.groupby("tier"):
        train = rows[rows["split"] == "train"]
        counts = train["label"].value_counts()
        for label in sorted(counts[counts == 1].index):
            yield Finding(WARNING, f"{tier} sign once in train", "", "", f"{label!r}")
        for split in ("dev", "test"):
            unseen = rows[(rows["split"] == split) & ~rows["label"].isin(counts.index)]
            for label, count in sorted(unseen["label"].value_counts().items()):
                yield Finding(WARNING, f"{tier} sign of {split} never in train", "", "", f"{label!r}, {count} times")
        if len(train) and not (rows["split"] == "dev").any():
            detail = f"train has {len(train):,}; how well the sign encoder tells them apart cannot be measured"
            yield Finding(WARNING, f"no {tier} sign in dev", "", "", detail)
