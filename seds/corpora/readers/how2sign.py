"""How2Sign (Duarte et al., CVPR 2021), American Sign Language: front view, re-aligned English text.

Videos come as clips of one sentence each, or as full videos of which the sentences are cuts (the `*_clips` and
`*_videos` of the official download). The clips were cut by the timing of the speech, so START_REALIGNED and
END_REALIGNED, which are positions in the full video and fit the signing, mean nothing in a clip. A sentence is read
from its clip if there is one; otherwise it is a cut of the full video, which is not re-encoded.

Several layouts of the corpus's folder are known (LAYOUTS), recognised by where a split's annotation file is: a short
one, and what the official download script makes. BOXES, if it is there, says where the signer is: comma-separated, the
columns `left,top,right,bottom` in px of the frame as shown, and the name of a clip or of a full video.
"""

from __future__ import annotations

import logging
import math
import os
import re
from pathlib import Path

import pandas as pd

from seds.config import Dataset
from seds.corpora.readers import delimited
from seds.corpora.readers.quoting import trim
from seds.corpora.readers.texts import clean
from seds.tables import ANNOTATIONS, TableError

LANGUAGE = "en"
SPLITS = {"train": "train", "val": "dev", "test": "test"}  # the corpus's names -> ours
_SENTENCES, _VIDEOS = "sentence_level/{split}/rgb_front/raw_videos", "video_level/{split}/rgb_front/raw_videos"
_TEXTS = "sentence_level/{split}/text/en/raw_text"
LAYOUTS = (  # (annotation file, folder of the clips, folder of the full videos)
    ("how2sign_realigned_{split}.csv", "{split}/raw_videos", "{split}/raw_videos"),
    *(
        (f"{top}{_TEXTS}/{text}", top + _SENTENCES, top + _VIDEOS)
        for top in ("", "How2Sign/")
        for text in ("re_aligned/how2sign_realigned_{split}.csv", "how2sign_{split}.csv")
    ),
)
BOXES = "bbox.csv"
_SIDES = ("left", "top", "right", "bottom")
_NAMES = ("VIDEO_ID", "VIDEO_NAME", "SENTENCE_ID", "SENTENCE_NAME")
REALIGNED = (*_NAMES, "START_REALIGNED", "END_REALIGNED", "SENTENCE")
BY_SPEECH = (*_NAMES, "START", "END", "SENTENCE")
# --7E2sU6zP4_10-5-rgb_front: sentence 10 of a YouTube video (whose id may hold - and _), signer 5, front camera.
_SIGNER = re.compile(r"-(\d+)-rgb_\w+$")

log = logging.getLogger(__name__)


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the How2Sign copy in `root`; its `val` is our `dev`.

    A sentence id owns the videos of every signer who was recorded with that sentence. Raises TableError naming the file
    for an annotation file that is missing or not of this format.
    """
    boxes = _boxes(root / BOXES)
    boxed = set()
    rows = []
    for theirs, ours in SPLITS.items():
        file, clips, videos = (root / part.format(split=theirs) for part in _layout(root, theirs))
        only_full = videos.is_dir() and not clips.is_dir()
        for row in delimited.read(file, "\t", REALIGNED, BY_SPEECH, quoted=True):
            *names, text = list(row.fields.values())[1:]
            video, sentence, name, *times = map(trim, names)
            problem = row.problem or ("" if name else f"{row.line}: has no SENTENCE_NAME")
            path, full = clips / f"{name}.mp4", videos / f"{video}.mp4"
            start = end = None
            if only_full or (not os.path.exists(path) and os.path.exists(full)):
                path = full
                start, end = map(_seconds, times)
                if start is None or end is None or start >= end:
                    problem = problem or f"{row.line}: expected start and end of a cut of {full} (s), got {times}"
            box = boxes.get(name) or boxes.get(video)
            if box:
                boxed.add(box.line)
                problem = problem or box.problem
            signer = _SIGNER.search(name)
            rows.append(
                {
                    "video_id": name or row.line,
                    "sentence_id": sentence or name or row.line,
                    "split": ours,
                    "text": clean(text),
                    "text_original": text,
                    "language": LANGUAGE,
                    "signer": signer[1] if signer else "",
                    "path": path.as_posix(),
                    "start_s": start,
                    "end_s": end,
                    "fps": None,
                    "bbox": ",".join(trim(box.fields[side]) for side in _SIDES) if box else "",
                    "problem": problem,
                    "stated_frames": None,
                }
            )
    unused = [box.line for box in boxes.values() if box.line not in boxed]
    if unused:
        log.warning("%d boxes are for no video of the annotations: %s", len(unused), ", ".join(unused[:5]))
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def _boxes(file: Path) -> dict[str, delimited.Row]:
    """The rows of a file of boxes by the clip or full video that they are for; of two for one, the first counts."""
    boxes: dict[str, delimited.Row] = {}
    if file.is_file():
        for row in delimited.read(file, ",", ("SENTENCE_NAME", *_SIDES), ("VIDEO_NAME", *_SIDES), quoted=True):
            name = trim(next(iter(row.fields.values())))
            if not name:
                log.warning("%s: skipped, names no video", row.line)
            elif boxes.setdefault(name, row) is not row:
                log.warning("%s: skipped, %.80r already has a box at %s", row.line, name, boxes[name].line)
    return boxes


def _layout(root: Path, split: str) -> tuple[str, str, str]:
    """The one of LAYOUTS in which the split's annotation file exists."""
    for layout in LAYOUTS:
        if (root / layout[0].format(split=split)).is_file():
            return layout
    expected = "\n".join(f"  {root / layout[0].format(split=split)}" for layout in LAYOUTS)
    raise TableError(f"no How2Sign annotations of split {split!r}; expected one of\n{expected}")


def _seconds(text: str) -> float | None:
    """A position in a video; None for text that is not one."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
