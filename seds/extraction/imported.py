"""An imported corpus, which comes with its keypoints, and perhaps RGB features, and without videos.

`seds import` writes to its folder: `videos.parquet`, the VIDEOS table that `prepare` would otherwise make from the
videos, and the shard folders `pose` and, where there are features, `rgb`, which the stages of those names pass on
instead of computing them. In the table `path` is empty, and `sha256` is that of the imported tensors.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd

from seds import shards, tables
from seds.config import IMPORTED, Dataset

VIDEOS = "videos.parquet"
MADE_BY = "seds import features, or seds import keypoints"


def is_imported(dataset: Dataset) -> bool:
    """Whether a corpus has no videos, only what was extracted from them elsewhere."""
    return dataset.corpus in IMPORTED


def read_videos(root: Path) -> pd.DataFrame:
    """The VIDEOS table of the imported corpus in `root`. Raises TableError if nothing has been imported."""
    return tables.read(root / VIDEOS, tables.VIDEOS, MADE_BY)


def hand_over(kind: str, root: Path, output: Path) -> None:
    """Put the imported "pose" or "rgb" shards of `root` into the stage's `output`; of a corpus that was imported
    without RGB features, an empty index.

    Files are hard-linked if the file system can, otherwise copied. An import replaces its files and never writes into
    one, so a link cannot change in DVC's cache. Raises TableError if nothing has been imported.
    """
    if kind == "rgb" and not (root / kind).exists() and (root / VIDEOS).is_file():
        index = pd.DataFrame(columns=list(tables.SHARD_INDEX.columns))
    else:
        index = tables.read(root / kind / shards.INDEX, tables.SHARD_INDEX, MADE_BY)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for name in sorted(set(index["shard"]) - {""}):
        source = (root / kind / name).resolve()
        try:
            os.link(source, output / name)
        except OSError:  # another file system, or one without hard links
            shutil.copyfile(source, output / name)
    shards.write_index(output, index)
    print(f"{kind}: {(index['status'] == 'ok').sum()} of {len(index)} videos, imported with the corpus, in {output}")
