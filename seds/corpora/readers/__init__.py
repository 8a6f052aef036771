"""Corpora: which videos exist and what is signed in them.

A reader is a function `read_annotations(root, dataset)` that turns the files of a corpus in `root` (data/raw/<name>)
and its entry in params.yaml into the ANNOTATIONS table, one row for each row of the corpus, without opening a video. It
is the only place that knows the corpus's quirks; to support another layout, write one and name it in READERS.

A reader does not have to deal with duplicate ids, paths that leave the corpus, missing or broken files and boxes
outside the frame: `seds.corpora.prepare` does so for all of them. What only the reader can see (a row with too few
fields, an invalid number) it puts into the row's `problem`. It raises TableError, naming file and line, if a file
cannot be read at all.
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
