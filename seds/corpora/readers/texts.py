"""The text that the model reads: the corpus's own, or English captions given with it, since CLIP knows English."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean

import pandas as pd

from seds.config import Dataset
from seds.corpora.captions import RELEASES, read_captions
from seds.corpora.readers import labels, sheets
from seds.corpora.readers.quoting import trim
from seds.messages import summarise_skipped
from seds.tables import TableError
from seds.text import count_tokens

LANGUAGE = "en"  # of captions
KEYS = ("video_id", "sentence_id")  # what a user's captions may be keyed by
TOKENS = 32  # of CLIP's that the published model reads of a sentence, start and end included (SPEC 2)

log = logging.getLogger(__name__)


def clean(text: str) -> str:
    """A sentence as the model reads it: one space between words, and each letter in its one-character form (NFC)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def captioned(annotations: pd.DataFrame, dataset: Dataset, root: Path) -> pd.DataFrame:
    """The annotations with the captions that the corpus's entry in params.yaml names; unchanged if it names none.

    Captions are in the corpus's folder `root`, where DVC sees them change: the release's caption files (a folder with
    train.pkl, dev.pkl, test.pkl; SPEC 1), label files (seds.corpora.readers.labels), or a table with two columns,
    `text` and one of KEYS. A row without a caption keeps its place with an empty text, which the manifest lists.
    `text_original` stays; label files, whose texts are in the corpus's own language, give it and leave the language.
    Raises TableError, CaptionError and PickleError for captions that are missing or cannot be read.
    """
    if dataset.captions is None:
        return annotations
    if Path(dataset.captions).is_absolute() or ".." in Path(dataset.captions).parts:
        raise TableError(
            f"captions {dataset.captions!r} are outside {root}, and DVC sees changes only inside it; "
            "link or copy them there and give the path from there"
        )
    source = root / dataset.captions
    texts = [""] * len(annotations)
    if labelled := labels.files(source) if source.exists() else []:
        return _labelled(annotations, source, labelled)
    released = source.is_dir() and not sheets.exists(source)
    captions_by = _released(source, dataset.corpus) if released else _users(source, annotations)
    for key, captions in captions_by.items():
        texts = [text or clean(captions.get(name, "")) for text, name in zip(texts, annotations[key], strict=True)]
        unused = captions.keys() - set(annotations[key])
        if unused:
            log.warning(
                "%s: %d texts are for no %s of the corpus, such as %.80r", source, len(unused), key, min(unused)
            )
    result = annotations.assign(text=texts, language=LANGUAGE)
    _warn_of_lacking(result, source)
    return result


def _labelled(annotations: pd.DataFrame, source: Path, files: list[Path]) -> pd.DataFrame:
    """The annotations with the texts of label files, which are in the language that they have."""
    known = labels.read(files)
    names = annotations["video_id"].map(labels.name_of)
    originals = [known.get(name, "") for name in names]
    if unused := known.keys() - set(names):
        log.warning("%s: %d names of videos are none of the corpus, such as %.80r", source, len(unused), min(unused))
    result = annotations.assign(text=list(map(clean, originals)), text_original=originals)
    _warn_of_lacking(result, source)
    return result


def _warn_of_lacking(result: pd.DataFrame, source: Path) -> None:
    lacking = result.loc[(result["text"] == "") & (result["problem"] == ""), "video_id"]
    if len(lacking):
        names = ", ".join(lacking.head(5))
        log.warning("%s has no text for %d of %d videos, such as %s", source, len(lacking), len(result), names)


def report(videos: pd.DataFrame) -> str:
    """For a person: the share of a VIDEOS table's sentences that are too long for a text tower like CLIP's, by
    language.

    It loses tokens of a sentence that has more than TOKENS (SPEC 2). CLIP's vocabulary has few words of any language
    but English; it splits others into pieces, and Chinese into bytes. `seds check` counts as the model of params.yaml
    does.
    """
    lines = []
    spoken = videos[videos["text"] != ""].drop_duplicates("sentence_id")
    for language, sentences in spoken.groupby("language"):
        share = over_length(sentences["text"])
        lines.append(
            f"text: {len(sentences)} sentences in {language!r}, "
            f"{share:.1%} exceed the {TOKENS} tokens that CLIP's text tower reads"
        )
        if language != LANGUAGE:
            lines.append(
                f"warning: CLIP's vocabulary is English and splits {language!r} badly; have another text side read it "
                "(train.*.model.text in params.yaml), or give English captions as `captions` in the corpus's entry"
            )
    silent = videos[(videos["text"] == "") & (videos["status"] == "ok")]
    if len(silent):
        why = ["no text" if not original.strip() else "no caption" for original in silent["text_original"]]
        rows = zip(why, silent["video_id"], [""] * len(silent), strict=True)
        lines.append("without text, " + summarise_skipped(rows, len(videos)))
    return "\n".join(lines)


def over_length(texts: Iterable[str]) -> float:
    """The share of the texts that have more than TOKENS of CLIP's tokens, start and end included."""
    return fmean(count_tokens(text) > TOKENS for text in texts)


def _released(folder: Path, corpus: str) -> dict[str, dict[str, str]]:
    """The release's texts by video and, for videos that it lacks (CSL-Daily's dev), by sentence."""
    if corpus not in RELEASES:
        raise TableError(
            f"{folder}: the release has captions of {', '.join(RELEASES)}, not of {corpus!r}; "
            f"expected a {', '.join(sheets.SUFFIXES)} file"
        )
    captions = read_captions(folder, RELEASES[corpus])
    return {
        "video_id": {c.video_id: c.text for c in captions},
        "sentence_id": {c.sentence_id: c.text for c in captions},
    }


def _users(file: Path, annotations: pd.DataFrame) -> dict[str, dict[str, str]]:
    """A user's texts by one of KEYS. Of two texts for one id, the first counts."""
    if not sheets.exists(file):
        raise TableError(
            f"{file} not found; `captions` in params.yaml names a file or folder inside the corpus's folder"
        )
    if Path(file.name.lower().removesuffix(".gz")).suffix not in sheets.SUFFIXES:
        raise TableError(f"{file}: expected a {', '.join(sheets.SUFFIXES)} file, or a folder")
    captions: dict[str, dict[str, str]] = {key: {} for key in KEYS}
    known = {key: set(annotations[key]).__contains__ for key in KEYS}
    rows = list(sheets.read(file, ["text"], KEYS, known, only_known=True))
    skipped = []
    for number, row in enumerate(rows, start=1):
        key = next((key for key in KEYS if trim(row.get(key, ""))), None)
        if row.get("problem") or key is None:
            skipped.append(("malformed", f"row {number}", row.get("problem") or f"has no {' and no '.join(KEYS)}"))
        elif captions[key].setdefault(trim(row[key]), row["text"]) != row["text"]:
            skipped.append(("an earlier row has another text", f"row {number}", f"{key} {row[key]!r}"))
    if skipped:
        log.warning("%s: of its rows, %s", file, summarise_skipped(skipped, len(rows)))
    return captions
