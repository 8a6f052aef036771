"""Corpora: which videos exist and what is signed in them.

A reader is a function `read_annotations(root, dataset)` that turns the files of a corpus in `root` (data/raw/<name>)
and its entry in params.yaml into the ANNOTATIONS table, one row for each row of the corpus, without opening a video. It
is the only place that knows the corpus's quirks; to support another layout, write one and name it in READERS.

A reader does not have to deal with duplicate ids, paths that leave the corpus, missing or broken files and boxes
outside the frame: `seds.corpora.prepare` does so for all of them. What only the reader can see (a row with too few
fields, an invalid number) it puts into the row's `problem`. It raises TableError, naming file and line, if a file
cannot be read at all.

Beside it, a module may have `read_signs(root, dataset)`, for a corpus that says when single signs are made: a row a
sign, with the columns video_id, start_s and end_s (s from the start of the video), tier and label, and `problem` where
only the reader can see one. What else makes no sense in it, `seds.corpora.signs` finds and lists. A corpus whose videos
show one sign each needs no such function, but fills `sign` of ANNOTATIONS.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from seds.config import ConfigError, Dataset
from seds.corpora.readers import (
    asl_citizen,
    bobsl,
    csl_daily,
    demo,
    dgs_corpus,
    elan,
    folder,
    how2sign,
    ms_asl,
    openasl,
    phoenix14t,
    sem_lex,
    subtitled,
    wlasl,
    youtube_sl,
)

Reader = Callable[[Path, Dataset], pd.DataFrame]

READERS: dict[str, Reader] = {
    "asl_citizen": asl_citizen.read_annotations,
    "bobsl": bobsl.read_annotations,
    "csl_daily": csl_daily.read_annotations,
    "demo": demo.read_annotations,
    "dgs_corpus": dgs_corpus.read_annotations,
    "elan": elan.read_annotations,
    "folder": folder.read_annotations,
    "how2sign": how2sign.read_annotations,
    "ms_asl": ms_asl.read_annotations,
    "openasl": openasl.read_annotations,
    "phoenix14t": phoenix14t.read_annotations,
    "sem_lex": sem_lex.read_annotations,
    "subtitled": subtitled.read_annotations,
    "wlasl": wlasl.read_annotations,
    "youtube_sl": youtube_sl.read_annotations,
}


SIGN_COLUMNS = ("video_id", "start_s", "end_s", "tier", "label")  # of time-aligned signs
SIGN_READERS: dict[str, Reader] = {
    "bobsl": bobsl.read_signs,
    "demo": demo.read_signs,
    "dgs_corpus": dgs_corpus.read_signs,
    "elan": elan.read_signs,
}


def reader(corpus: str) -> Reader:
    """The reader of that name. Raises ConfigError with the known names."""
    if corpus not in READERS:
        raise ConfigError(f"unknown corpus {corpus!r}; known: {', '.join(READERS)}")
    return READERS[corpus]


def signs_reader(corpus: str) -> Reader:
    """The reader of the time-aligned signs of a corpus with that reader; of most, one that finds none."""
    return SIGN_READERS.get(corpus, lambda root, dataset: pd.DataFrame(columns=list(SIGN_COLUMNS)))
