"""CSL-Daily (Zhou et al., CVPR 2021): Chinese Sign Language of daily life, frame folders, Chinese.

    sentence_label/csl2020ct_v2.pkl, or sentence_label/video_map.txt    what is signed in each video
    sentence_label/split_1.txt                                          which split it is in
    sentence/frames_512x512/<name>/*.jpg                                or one of the other FRAMES

A video's name says its sentence, signer and take (S000005_P0004_T00); a sentence has several videos, and by the
official split most dev sentences are also test sentences. Split file and annotation do not quite agree: a video that
only the split file lists takes the text of other videos of its sentence, as the published captions do; one that only
the annotation knows is in no split and is listed as such.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from reprlib import repr as brief
from typing import Any

import pandas as pd

from seds.config import Dataset
from seds.corpora import pickles
from seds.corpora.readers import delimited
from seds.corpora.readers.quoting import trim
from seds.corpora.readers.texts import clean
from seds.messages import printable
from seds.tables import ANNOTATIONS, SPLITS, TableError

LANGUAGE = "zh"
FPS = 30.0
LABELS = "sentence_label"
PICKLE, MAP, SPLIT = "csl2020ct_v2.pkl", "video_map.txt", "split_1.txt"
FRAMES = (
    "sentence/frames_512x512",
    "sentence_frames-512x512/frames_512x512",
    "sentence_frames-512x512",
)
MAP_COLUMNS = ("index", "name", "length", "gloss", "char", "word", "postag")
_NAME = re.compile(r"(?P<sentence>S\d+)_P(?P<signer>\d+)_T\d+")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Label:
    """What an annotation says of a video. problem: "", or why it is invalid."""

    entry: str  # file and line or number
    name: str = ""
    text: str = ""
    frames: int | None = None
    problem: str = ""


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`: the split file's videos in its order, then those it lacks.

    Raises TableError and PickleError for a file that is missing or not of its format.
    """
    labels, others = dict[str, _Label](), list[_Label]()
    for label in _labels(root):
        if label.name and label.name not in labels:
            labels[label.name] = label
        else:
            problem = label.problem or f"{label.entry}: {label.name} is already at {labels[label.name].entry}"
            others.append(replace(label, problem=problem))
    text_of = {_parts(label.name)[0]: label.text for label in labels.values() if label.text}
    frames = next((root / folder for folder in FRAMES if (root / folder).is_dir()), root / FRAMES[0])

    rows, unlisted = [], dict(labels)
    split_file = root / LABELS / SPLIT
    for row in delimited.read(split_file, "|", ("name", "split")):
        name, split = map(trim, row.fields.values())
        unlisted.pop(name, None)
        known = labels.get(name)
        label = known or _Label(row.line, name, text_of.get(_parts(name)[0], ""))
        problem = row.problem or label.problem
        if not (problem or (name and split in SPLITS)):
            problem = f"{row.line}: expected a name and one of {', '.join(SPLITS)}, got {printable(f'{name}|{split}')}"
        if not (problem or known):
            taken = "takes the text of other videos of its sentence" if label.text else "has no text"
            log.warning("%s: %s is not in the annotation and %s", row.line, name, taken)
        rows.append(_row(frames, split if split in SPLITS else "", label, problem))
    for label in unlisted.values():
        problem = label.problem or f"{label.entry}: {label.name} is in no split, {split_file} does not list it"
        rows.append(_row(frames, "", label, problem))
    rows += [_row(frames, "", label, label.problem) for label in others]
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def _row(frames: Path, split: str, label: _Label, problem: str) -> dict[str, Any]:
    sentence, signer = _parts(label.name)
    return {
        "video_id": label.name or label.entry,
        "sentence_id": sentence or label.entry,
        "split": split,
        "text": clean(label.text),
        "text_original": label.text,
        "language": LANGUAGE,
        "signer": signer,
        "path": (frames / label.name).as_posix(),
        "start_s": None,
        "end_s": None,
        "fps": FPS,
        "bbox": "",
        "problem": problem,
        "stated_frames": label.frames,
    }


def _parts(name: str) -> tuple[str, str]:
    """Sentence and signer of a video's name; one of another form is its own sentence."""
    match = _NAME.fullmatch(name)
    return (match["sentence"], match["signer"]) if match else (name, "")


def _labels(root: Path) -> Iterator[_Label]:
    """Every entry of the annotation, in order."""
    pickle, table = root / LABELS / PICKLE, root / LABELS / MAP
    if pickle.is_file():
        yield from _of_pickle(pickle)
    elif table.is_file():
        for row in delimited.read(table, "|", MAP_COLUMNS):
            yield _label(
                row.line, trim(row.fields["name"]), row.fields["char"].split(), trim(row.fields["length"]), row.problem
            )
    else:
        raise TableError(f"no CSL-Daily annotation; expected {pickle} or {table}")


def _of_pickle(file: Path) -> Iterator[_Label]:
    content = pickles.load(file)
    info = content.get("info") if isinstance(content, dict) else None
    if not isinstance(info, list):
        raise TableError(f"{file}: expected a dict with a list under 'info', got {brief(content)}")
    for number, entry in enumerate(info):
        at = f"{file}: info[{number}]"
        if isinstance(entry, dict):
            yield _label(at, entry.get("name"), entry.get("label_char"), entry.get("length"))
        else:
            yield _Label(at, problem=f"{at}: expected a dict, got {brief(entry)}")


def _label(at: str, name: Any, characters: Any, length: Any, problem: str = "") -> _Label:
    """What one entry says. characters: of the text, in order; length: in frames."""
    if not isinstance(name, str) or not name:
        return _Label(at, problem=problem or f"{at}: expected a name, got {brief(name)}")
    if not isinstance(characters, list) or not all(isinstance(c, str) for c in characters):
        problem = problem or f"{at}: {name}: expected a list of characters, got {brief(characters)}"
        characters = []
    if not re.fullmatch(r"\d{1,9}", str(length)):
        problem = problem or f"{at}: {name}: expected its length in frames, got {brief(length)}"
        length = None
    text = "".join(characters)
    if not _is_unicode(name + text):
        problem = f"{at}: contains lone surrogates: {name!r}, {brief(text)}"
        name, text = ascii(name), ascii(text)
    return _Label(at, name, text, None if length is None else int(length), problem)


def _is_unicode(text: str) -> bool:
    """Whether it can be written to a file: a pickle may hold a lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
