"""Corpora: which videos exist and what is signed in them.

A reader is a function `read_annotations(root, dataset)` that turns the files of a corpus in `root` (data/raw/<name>)
and its entry in params.yaml into the ANNOTATIONS table, a row for each row of the corpus, without opening a video. It
is the only place that knows the corpus's quirks; to bring another layout, write one and name it in READERS.

What a reader need not look after, since `seds.corpora.prepare` does so for all of them: an id that stands twice, a path
that leaves the corpus, a file that is missing or broken, a box outside the frame. What only the reader can see (a row
with too few fields, a number that is none) it puts into the row's `problem`. It raises TableError, naming file and
line, where a file as a whole cannot be read.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from seds.config import ConfigError, Dataset
from seds.corpora.readers import csl_daily, demo, folder, how2sign, phoenix14t

Reader = Callable[[Path, Dataset], pd.DataFrame]

READERS: dict[str, Reader] = {
    "csl_daily": csl_daily.read_annotations,
    "demo": demo.read_annotations,
    "folder": folder.read_annotations,
    "how2sign": how2sign.read_annotations,
    "phoenix14t": phoenix14t.read_annotations,
}


def reader(corpus: str) -> Reader:
    """The reader of that name. Raises ConfigError with the known names."""
    if corpus not in READERS:
        raise ConfigError(f"unknown corpus {corpus!r}; known: {', '.join(READERS)}")
    return READERS[corpus]
