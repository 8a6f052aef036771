"""The Public DGS Corpus (Konrad et al.), German Sign Language: two people in conversation, annotated in ELAN.

    .../<id>.eaf                                         with tiers for the participants A and B
    .../<id>_1a1.mp4, <id>_1b1.mp4, <id>_1c1.mp4         a camera each, and one of both

It is read as `elan` reads files, with the tiers and cameras named here; the entry may name others. The text is the
English translation, `text_original` the German one with the same times.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from seds.config import Dataset, Participant
from seds.corpora.readers import elan
from seds.tables import TableError

ENGLISH, GERMAN, SIGNS = "Translation_into_English_*", "Deutsche_Übersetzung_*", "Lexem_Gebärde_*"
CAMERAS = {"A": "*_1a1.*", "B": "*_1b1.*"}


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the files below `root`. Raises as `elan` does."""
    table = elan.read_annotations(root, _as_elan(dataset))
    if dataset.sentence_tiers is not None:
        return table
    try:
        german = elan.read_annotations(root, _as_elan(dataset, GERMAN))
    except TableError:  # files with translations alone
        return table
    keys = ["path", "signer", "start_s", "end_s"]
    original = german[german["problem"] == ""].drop_duplicates(keys).set_index(keys)["text_original"].to_dict()
    table["text_original"] = [
        original.get(key, text)
        for key, text in zip(table[keys].itertuples(index=False, name=None), table["text_original"], strict=True)
    ]
    return table


def read_signs(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The glosses of both hands (seds.corpora.readers)."""
    return elan.read_signs(root, _as_elan(dataset))


def _as_elan(dataset: Dataset, sentences: str = ENGLISH) -> Dataset:
    """The entry, with what it leaves open. The language is the translation's, whatever the file says of its tier."""
    defaults = {
        "sentence_tiers": sentences,
        "sign_tiers": SIGNS,
        "participants": {name: Participant(media=camera) for name, camera in CAMERAS.items()},
        "language": "de" if sentences == GERMAN else "en",
    }
    return dataset.model_copy(update={name: v for name, v in defaults.items() if getattr(dataset, name) is None})
