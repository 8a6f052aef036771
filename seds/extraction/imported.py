"""A corpus that was imported rather than filmed: it brings its keypoints and RGB features, and has no videos.

`seds import features` leaves three things in its folder: `videos.parquet`, the VIDEOS table that `prepare` would else
read from the videos themselves, and the shard folders `pose` and `rgb`, which the stages of those names hand over
instead of computing. In the table `path` is empty, and `sha256` is of the imported tensors.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pandas as pd

from seds import shards, tables

CORPUS = "released"  # its name in params.yaml
VIDEOS = "videos.parquet"
MADE_BY = "seds import features"


def read_videos(root: Path) -> pd.DataFrame:
    """The VIDEOS table of the imported corpus in `root`. Raises TableError when nothing has been imported."""
    return tables.read(root / VIDEOS, tables.VIDEOS, MADE_BY)


def hand_over(kind: str, root: Path, output: Path) -> None:
    """Give the imported "pose" or "rgb" shards in `root` to the stage's `output`.

    Raises TableError when nothing has been imported. Files are hard-linked where the file system can, else copied: an
    import replaces its files and never writes into one, so a link cannot change under the cache.
    """
    index = tables.read(root / kind / shards.INDEX, tables.SHARD_INDEX, MADE_BY)
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    for name in sorted(set(index["shard"]) - {""}):
        source = (root / kind / name).resolve()
        try:
            os.link(source, output / name)
        except OSError:  # another file system, or one without links
            shutil.copyfile(source, output / name)
    shards.write_index(output, index)
    print(f"{kind}: {(index['status'] == 'ok').sum()} of {len(index)} videos, brought by the corpus, in {output}")
