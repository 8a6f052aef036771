"""ELAN files (.eaf) and the videos that they annotate: sentences are cuts, and sign tiers become signs.

Parameters of the corpus's entry in params.yaml; names of tiers may be patterns (`*` stands for any characters), and a
list names several:

    sentence_tiers   whose annotations are the sentences. Without it, nothing is read: the error lists the tiers and
                     proposes the likeliest
    sign_tiers       signs of the hands
    nonmanual_tiers  markers in face and head; one without a value is called as its tier
    media            which of several videos of a file, its name or a pattern; default: the first that is found
    participants     of files with several: {A: {media: "*_a.mp4"}, B: {bbox: "320,0,640,360"}}, a camera or a box each

A video is looked for where the file says it is, relative to itself; then by its name, then by its name with another
suffix, then by the name of the ELAN file, each in the same folder or, where only one is called so, in any. Annotation
times count from the TIME_ORIGIN of the video. A sign belongs to the sentence of its participant in which its middle is.
"""

from __future__ import annotations

import logging
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from seds import tables
from seds.config import ConfigError, Dataset
from seds.corpora import eaf
from seds.corpora.contents import ContentError
from seds.corpora.eaf import Annotation, Document, Tier
from seds.corpora.media import Files
from seds.corpora.readers import cuts
from seds.corpora.readers.elan_media import Video, find_video
from seds.corpora.readers.elan_tiers import TierSummary, listing, matching, summarise
from seds.corpora.readers.languages import language_code
from seds.corpora.safe_xml import XmlError
from seds.errors import first_few, unicode_text
from seds.messages import printable
from seds.tables import TableError
from seds.video.boxes import format_box, parse_box

SUFFIX = ".eaf"
LANGUAGE = "en"
_ROLE = 2  # characters of a participant's name that tells two people of one file apart, and not who they are

log = logging.getLogger(__name__)


@dataclass
class Sentence:
    """A sentence annotation, and the row that it is."""

    tier: Tier
    annotation: Annotation
    participant: str
    row: dict[str, Any]
    origin_s: float


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the folder `root`: a row a sentence, and one for each file that cannot be read.

    Raises TableError where there is no ELAN file, or no tier of sentences is named or found, ConfigError for a box that
    is none.
    """
    _check(dataset)
    rows, files_of = list[dict[str, Any]](), list[str]()
    several, silent = list[str](), list[str]()
    files = Files.below(root, SUFFIX)
    summaries: dict[str, TierSummary] = defaultdict(TierSummary)
    for path, document, problem in _documents(root, files):
        if document is None:
            stem = path.with_suffix("").as_posix()
            rows.append(cuts.cut(stem, root / path.with_suffix(".mp4"), 0, 0, "", LANGUAGE, problem))
            files_of.append(stem)
            continue
        summarise(document, summaries)
        sentences = list(_sentences(path, document, files, root, dataset))
        silent += [] if sentences else [path.as_posix()]
        rows += [sentence.row for sentence in sentences]
        files_of += [path.with_suffix("").as_posix()] * len(sentences)
        seen = {(sentence.row["path"], sentence.row["bbox"]) for sentence in sentences}
        if len({sentence.participant for sentence in sentences}) > len(seen):
            several.append(path.as_posix())
    for name in ("sentence_tiers", "sign_tiers", "nonmanual_tiers"):
        _check_tiers(root, name, cuts.as_patterns(getattr(dataset, name)), summaries)
    if silent:
        log.info("%s: %d files have no sentences, such as %s", root, len(silent), printable(silent[0]))
    if several:
        log.warning(
            "%s: in %d files, several participants share a video; give each a box or a camera as `participants` in "
            "params.yaml: %s", root, len(several), ", ".join(first_few(several, 3)),
        )  # fmt: skip
    return cuts.table(rows, _groups(files_of, [row["signer"] for row in rows]), root)


def read_signs(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The signs of the folder `root` (seds.corpora.readers), with `problem`."""
    patterns = {
        tables.MANUAL: cuts.as_patterns(dataset.sign_tiers),
        tables.NONMANUAL: cuts.as_patterns(dataset.nonmanual_tiers),
    }
    rows, files = list[dict[str, Any]](), Files.below(root, SUFFIX)
    for path, document, _ in _documents(root, files) if any(patterns.values()) else ():
        if document is not None:
            sentences = list(_sentences(path, document, files, root, dataset))
            for kind, wanted in patterns.items():
                for tier in matching(document.tiers, wanted):
                    rows += _signs(tier, kind, sentences, _participant(tier, dataset), root / path)
    return pd.DataFrame(rows, columns=["video_id", "start_s", "end_s", "tier", "label", "problem"])


def all_tiers(root: Path) -> dict[str, TierSummary]:
    """What the tiers of the ELAN files below a folder hold, by their names."""
    summaries: dict[str, TierSummary] = defaultdict(TierSummary)
    files = Files.below(root, SUFFIX)
    for _, document, _ in _documents(root, files):
        if document is not None:
            summarise(document, summaries)
    return summaries


def _documents(root: Path, files: Files) -> Iterator[tuple[PurePosixPath, Document | None, str]]:
    """(path below `root`, contents or None, why not) of each ELAN file. Raises TableError if there is none."""
    if not files.others:
        raise TableError(f"{root}: expected ELAN files (*{SUFFIX}), found none")
    for path in files.others:
        try:
            yield path, eaf.read(root / path), ""
        except (ContentError, XmlError) as error:
            yield path, None, str(error)


def _sentences(
    path: PurePosixPath, document: Document, files: Files, root: Path, dataset: Dataset
) -> Iterator[Sentence]:
    """The sentences of a file."""
    at, stem = root / path, path.with_suffix("").as_posix()
    videos: dict[str, Video] = {}
    for tier in matching(document.tiers, cuts.as_patterns(dataset.sentence_tiers)):
        participant = _participant(tier, dataset)
        own = (dataset.participants or {}).get(participant)
        wanted = own.media if own and own.media is not None else dataset.media
        if participant not in videos:
            videos[participant] = find_video(path, document.media, files, wanted)
        video = videos[participant]
        signer = participant if len(participant) > _ROLE else f"{stem} {participant}" if participant else ""
        language = dataset.language or language_code(tier.language) or LANGUAGE
        for annotation in tier.annotations:
            start, end = annotation.start_s + video.origin_s, annotation.end_s + video.origin_s
            problem = annotation.problem or cuts.time_problem(start, end)
            row = cuts.cut(
                f"{stem} {annotation.name}", root / video.path, start, end, annotation.value, language,
                f"{at}:{annotation.line}: annotation {printable(annotation.name, 40)!r} {problem}" if problem else "",
                signer=signer, bbox=own.bbox or "" if own else "",
            )  # fmt: skip
            yield Sentence(tier, annotation, participant, row, video.origin_s)


def _signs(
    tier: Tier, kind: str, sentences: Sequence[Sentence], participant: str, file: Path
) -> Iterator[dict[str, Any]]:
    """The rows of a tier of signs, each in the sentence in which its middle is, or that it overlaps most."""
    own = [
        sentence
        for sentence in sentences
        if not sentence.row["problem"] and (not participant or sentence.participant in (participant, ""))
    ]
    starts = np.array([sentence.annotation.start_s for sentence in own])
    ends = np.array([sentence.annotation.end_s for sentence in own])
    for sign in tier.annotations:
        label = sign.value.strip() or (tier.name if kind == tables.NONMANUAL else "")
        row = {"video_id": unicode_text(f"{file}:{sign.line}"), "tier": kind, "label": label}
        middle = (sign.start_s + sign.end_s) / 2
        inside = (starts <= middle) & (middle < ends)
        if sign.problem or not inside.any():
            problem = "has no times" if sign.problem else "in no sentence"
            yield row | {"start_s": sign.start_s, "end_s": sign.end_s, "problem": problem}
            continue
        overlap = np.minimum(ends, sign.end_s) - np.maximum(starts, sign.start_s)
        sentence = own[int(np.where(inside, overlap, -np.inf).argmax())]
        begin, end = sentence.row["start_s"], sentence.row["end_s"]
        times = np.clip((sign.start_s + sentence.origin_s, sign.end_s + sentence.origin_s), begin, end) - begin
        place = {"start_s": round(float(times[0]), 6), "end_s": round(float(times[1]), 6), "problem": ""}
        yield row | place | {"video_id": sentence.row["video_id"]}


def _participant(tier: Tier, dataset: Dataset) -> str:
    """Whose tier it is: as ELAN has it or, of the participants in params.yaml, the one in whose name its own ends."""
    if tier.participant:
        return tier.participant
    ends = [name for name in dataset.participants or () if re.search(rf"[\W_]{re.escape(name)}$", tier.name)]
    return max(ends, key=len, default="")


def _groups(files: Sequence[str], signers: Sequence[str]) -> list[str]:
    """A name for each row's file and signer: the same for all that are connected by either."""
    leader: dict[str, str] = {}

    def lead(key: str) -> str:
        while leader.setdefault(key, key) != key:
            leader[key] = leader[leader[key]]
            key = leader[key]
        return key

    for file, signer in zip(files, signers, strict=True):
        first, second = sorted((lead(f"file {file}"), lead(f"signer {signer}" if signer else f"file {file}")))
        leader[second] = first
    return [lead(f"file {file}") for file in files]


def _check(dataset: Dataset) -> None:
    for name, participant in (dataset.participants or {}).items():
        try:
            format_box(parse_box(participant.bbox or ""))
        except ValueError as error:
            raise ConfigError(f"participants.{name}: {error}") from None


def _check_tiers(root: Path, name: str, patterns: Sequence[str], summaries: dict[str, TierSummary]) -> None:
    """Raises TableError, with the tiers that there are, for a name or pattern of none, or if no sentences are named."""
    tiers = [Tier(tier, "", "", ()) for tier in summaries]
    missing = [pattern for pattern in patterns if not matching(tiers, (pattern,))]
    if missing:
        raise TableError(f"{root}: {name}: no tier is called {missing[0]!r}. The tiers are\n{listing(summaries)}")
    if name == "sentence_tiers" and not patterns and summaries:
        raise TableError(
            f"{root}: which tiers have the sentences? Name them as sentence_tiers under the corpus in params.yaml, "
            f"and those of signs as sign_tiers. The tiers are\n{listing(summaries)}"
        )
