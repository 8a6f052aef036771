"""Corpora: which videos exist and what is signed in them.

A reader is a function `read_annotations(root)` that turns a corpus's own files into the ANNOTATIONS table, without
opening a video. It is the only place that knows the corpus's quirks; to bring another corpus, write one and name it in
READERS. `prepare` then opens each video's header.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from seds import imported, listing, tables, video
from seds.config import ConfigError
from seds.datasets import demo, how2sign

Reader = Callable[[Path], pd.DataFrame]

READERS: dict[str, Reader] = {
    "demo": demo.read_annotations,
    "how2sign": how2sign.read_annotations,
    imported.CORPUS: imported.read_videos,
}


def reader(corpus: str) -> Reader:
    """The reader of that name. Raises ConfigError with the known names."""
    if corpus not in READERS:
        raise ConfigError(f"unknown corpus {corpus!r}; seds.datasets reads: {', '.join(READERS)}")
    return READERS[corpus]


def prepare(name: str, corpus: str, root: Path, workers: int | None = None) -> pd.DataFrame:
    """The VIDEOS table of the corpus whose files lie in `root`, opened `workers` at a time (None: one a core).

    A video that is missing or cannot be read keeps its row, with the reason. For a cut of a longer file, `frames`
    counts the whole file's. Raises ConfigError for an unknown corpus, TableError where its annotations are unusable.
    """
    annotations = reader(corpus)(root)
    if "status" in annotations:  # an imported corpus has no files to open: its table is whole
        return tables.check(annotations.assign(dataset=name), tables.VIDEOS, f"the videos of {name}")
    videos = tables.check(annotations, tables.ANNOTATIONS, f"the annotations in {root}")
    paths = videos["path"].unique()  # several cuts may share a file
    # Threads: hashing, reading and libav all release the interpreter's lock.
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:
        headers = list(tqdm(pool.map(_header, paths), total=len(paths), desc="headers", unit="file", disable=None))
    of_file = pd.DataFrame(headers, index=paths).loc[videos["path"]].set_index(videos.index)
    return tables.check(videos.assign(dataset=name).join(of_file), tables.VIDEOS, f"the videos of {name}")


def summary(videos: pd.DataFrame) -> str:
    """What a VIDEOS table holds: videos, sentences, signers and hours a split; then what cannot be read, and why."""
    ok = videos[videos["status"] == "ok"]
    hours = (ok["frames"] / ok["fps"]).groupby(ok["split"]).sum() / 3600
    lines = [f"{'split':<6}{'videos':>8}{'readable':>10}{'sentences':>11}{'signers':>9}{'hours':>8}"]
    for split in tables.SPLITS:
        rows = videos[videos["split"] == split]
        signers = rows.loc[rows["signer"] != "", "signer"].nunique()
        lines.append(
            f"{split:<6}{len(rows):>8}{(rows['status'] == 'ok').sum():>10}{rows['sentence_id'].nunique():>11}"
            f"{signers:>9}{hours.get(split, 0.0):>8.2f}"
        )
    bad = videos[videos["status"] != "ok"]
    if len(bad):
        lines.append(listing.left_out(zip(bad["status"], bad["video_id"], bad["detail"], strict=True), len(videos)))
    return "\n".join(lines)


def _header(path: str) -> dict[str, object]:
    """The columns of VIDEOS that a file's bytes decide."""
    header: dict[str, object] = {"frames": 0, "fps": 0.0, "width": 0, "height": 0, "sha256": "", "detail": ""}
    if not Path(path).is_file():
        return header | {"status": "missing", "detail": f"{path}: no such file"}
    try:
        with open(path, "rb") as file:
            header["sha256"] = hashlib.file_digest(file, "sha256").hexdigest()
        info = video.probe(path)
    except (video.VideoError, OSError) as error:
        return header | {"status": "unreadable", "detail": str(error)}
    return header | {
        "frames": info.frames,
        "fps": info.fps,
        "width": info.width,
        "height": info.height,
        "status": "ok",
    }
