"""The single signs of the training videos, by the windows that show them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seds import tables
from seds.config import ConfigError
from seds.data.split import Split
from seds.shards import ShardReader
from seds.timing import FRAME_TIMES, frame_edges


@dataclass(frozen=True)
class Signs:
    """of_video: of each video of a split its signs in time, (first token, one past the last, label); token 0 is the
    class token, token 1 the first window. ids: int64 [labels, max_words], the labels as texts.
    """

    of_video: list[list[tuple[int, int, int]]]
    ids: np.ndarray


def load_signs(name: str, train: Split, window: int, root: Path = Path("data")) -> Signs:
    """The signs of the hands of a corpus's table, with their windows: those whose centre lies in the sign, or the one
    whose centre is nearest to the sign's.

    window: frames. Raises ConfigError where no training video has a sign, TableError, ShardError.
    """
    path = root / "signs" / f"{name}.parquet"
    table = tables.read(path, tables.SIGNS, f"dvc repro prepare@{name}")
    manifest = tables.read(root / "manifest" / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    fps = dict(zip(manifest["video_id"], manifest["fps"], strict=True))
    table = table[(table["tier"] == tables.MANUAL) & table["video_id"].isin(train.video_ids)]
    if table.empty:
        raise ConfigError(
            f"train.ideas.sign_weight needs single signs, and {path} has none of the hands in training videos; set it "
            f"to 0 (train.method: cslr2 sets it), or give {name} signs with their times (data/README.md)"
        )
    labels = sorted(table["label"].unique())
    number = {label: place for place, label in enumerate(labels)}
    of_video: list[list[tuple[int, int, int]]] = [[] for _ in train.video_ids]
    place = {video_id: i for i, video_id in enumerate(train.video_ids)}
    pose = ShardReader(root / "pose" / name, "pose")
    for video_id, rows in table.groupby("video_id", sort=False):
        video = train.videos[place[video_id]]
        edges = frame_edges(pose.find(video_id, FRAME_TIMES), int(video.raw_frames[-1]) + 1, fps[video_id])
        last = np.minimum(video.starts + window - 1, len(video.raw_frames) - 1)
        centres = (edges[video.raw_frames[video.starts]] + edges[video.raw_frames[last] + 1]) / 2
        for row in rows.sort_values("start_s", kind="stable").itertuples():
            first, stop = np.searchsorted(centres, [row.start_s, row.end_s])
            if first == stop:
                first = int(np.abs(centres - (row.start_s + row.end_s) / 2).argmin())
                stop = first + 1
            of_video[place[video_id]].append((int(first) + 1, int(stop) + 1, number[row.label]))
    return Signs(of_video, train.tokenise([as_text(label) for label in labels]))


def dictionary_clips(name: str, root: Path = Path("data")) -> frozenset[str]:
    """The videos of a corpus that show a single sign. Raises ConfigError where there is none, TableError."""
    path = root / "signs" / f"{name}.parquet"
    table = tables.read(path, tables.SIGNS, f"dvc repro prepare@{name}")
    clips = frozenset(table["video_id"][table["source"] == "dictionary"])
    if not clips:
        raise ConfigError(
            f"augment.phrases joins clips of single signs, and {path} has none; set it to 0 for the profile of {name} "
            "(params.yaml), or name the sign that a clip shows in the column `sign` (data/README.md)"
        )
    return clips


def as_text(label: str) -> str:
    """A gloss as the text tower reads words."""
    return label.replace("-", " ").replace("_", " ").lower()
