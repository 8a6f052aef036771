"""The sentences of the published SEDS release: its three corpora, and their caption pickles (SPEC 1).

A caption file is a dict by sentence: one dict per sentence for PHOENIX-2014T, a list of dicts, one per video, for
CSL-Daily and How2Sign. `text` is English, machine-translated where `ori_text` holds the original.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from reprlib import repr as brief
from typing import Any

from seds.corpora import pickles
from seds.errors import SedsError
from seds.tables import SPLITS

# If a corpus has no dev file, every 20th training sentence becomes dev, with all its videos: the epoch must be chosen
# on something that is neither trained on nor tested.
HELD_OUT = 20


class CaptionError(SedsError, ValueError):
    """A file of the release that is not in its format; the message names the file, the place and what was expected."""


@dataclass(frozen=True)
class Release:
    """What the release's files do not say about a corpus.

    width, height: px, of the frames that keypoints are given in. wrist_margin: px, see seds.data.hands.retain.
    frame: the number in a frame's name without suffix. signer: the signer in a video's name, if it has one.
    """

    width: int
    height: int
    fps: float
    wrist_margin: int | None
    video_key: str  # of a caption: the name of the video's files
    frame: re.Pattern[str]
    signer: re.Pattern[str] | None


RELEASES = {
    "phoenix14t": Release(210, 260, 25.0, None, "video_name", re.compile(r".{6}(\d{1,9})"), None),
    "csl_daily": Release(512, 512, 30.0, 50, "video_name", re.compile(r"(?:.*_)?(\d{1,9})"), re.compile(r"_P(\d+)_")),
    "how2sign": Release(
        256, 256, 24.0, 50, "new_video_name", re.compile(r"(?:.*_)?(\d{1,9})"), re.compile(r"-(\d+)-rgb_\w+$")
    ),
}


@dataclass(frozen=True)
class Caption:
    """One video and its sentence. subset: the caption file it is in, after which the release names its folders."""

    video_id: str
    sentence_id: str
    split: str
    subset: str
    text: str
    text_original: str
    signer: str


def read_captions(folder: Path, release: Release) -> list[Caption]:
    """The captions in `folder`/{train,dev,test}.pkl, train first; a missing file is a split without videos.

    PHOENIX's dev file repeats the training sentences: what is in train stays there, and dev is the rest. Raises
    CaptionError if a file is malformed, a video occurs twice or there is no file; PickleError.
    """
    files = {subset: folder / f"{subset}.pkl" for subset in SPLITS if (folder / f"{subset}.pkl").is_file()}
    if not files:
        raise CaptionError(f"{folder} has no captions; expected train.pkl, dev.pkl or test.pkl")
    captions: dict[str, Caption] = {}
    for subset, path in files.items():
        for caption in _read(path, subset, release, hold_out="dev" not in files):
            known = captions.setdefault(caption.video_id, caption)
            repeats_train = (known.subset, subset) == ("train", "dev")
            if known is not caption and not repeats_train:
                raise CaptionError(f"{path}: video {caption.video_id!r} is already in {files[known.subset]}")
    return list(captions.values())


def _read(path: Path, subset: str, release: Release, hold_out: bool) -> list[Caption]:
    """The captions of a file, in its order."""
    sentences = pickles.load(path)
    if not isinstance(sentences, dict):
        raise CaptionError(f"{path}: expected a dict by sentence, got {type(sentences).__name__}")
    captions = []
    for number, (sentence_id, entries) in enumerate(sentences.items(), start=1):
        split = "dev" if subset == "train" and hold_out and number % HELD_OUT == 0 else subset
        for entry in entries if isinstance(entries, list) else [entries]:
            if not isinstance(sentence_id, str) or not isinstance(entry, dict):
                raise CaptionError(f"{path}: expected dicts by sentence id, got {brief({sentence_id: entry})}")
            at = f"{path}: {sentence_id!r}"
            video_id = _text(entry, release.video_key, at)
            if "/" in video_id or video_id.startswith("."):
                raise CaptionError(f"{at}: {video_id!r} is not a file name")
            text = _text(entry, "text", at)
            original = _text(entry, "ori_text", at) if "ori_text" in entry else text
            signer = release.signer.search(video_id) if release.signer else None
            captions.append(
                Caption(video_id, sentence_id, split, subset, text.strip(), original, signer[1] if signer else "")
            )
    return captions


def _text(entry: dict[Any, Any], key: str, at: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str):
        raise CaptionError(f"{at}: expected text under {key!r}, got {brief(value)} in {brief(entry)}")
    try:
        value.encode()
    except UnicodeEncodeError:  # a pickle may hold a lone surrogate, a table cannot
        raise CaptionError(f"{at}: the text under {key!r} is not valid Unicode: {brief(value)}") from None
    return str(value)
