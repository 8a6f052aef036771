"""BOBSL (Albanie et al., 2021): British Sign Language, interpreted television of the BBC, with English subtitles.

    .../<episode>.mp4                                            in any folder
    manual_annotations/signing_aligned_subtitles/<episode>.vtt   of an episode that has several files, the first of
    automatic_annotations/signing_aligned_subtitles/*/<episode>.vtt  these that there is, also as <episode>/signhd.vtt
    manual_annotations/isolated_signs/verified_{dict,mouthing}_spottings.json     signs: when one is at its clearest
    subset2episode.json                                          the splits

Cues are read as of `subtitled`, with its parameters; where none but the subtitles of the speech are there, times are
moved by SPEECH_S unless `offset_s` says otherwise. A text that begins with [ is not signed. A sign lasts for as long
around its time as its sort of spotting was made from.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from seds.config import Dataset
from seds.corpora import subtitles
from seds.corpora.media import Files
from seds.corpora.readers import json_files, layouts, splits, subtitled
from seds.corpora.readers.subtitled import Track
from seds.tables import ANNOTATIONS, MANUAL, TableError

MARKS = ("subset2episode.json", "*/subset2episode.json", "*/*/subset2episode.json")
FPS = 25.0
SPEECH_S = 2.7  # by which signing lags behind the speech
WINDOWS = {"dict": (-3, 22), "mouthing": (-15, 4)}  # frames around a spotting's time that it was made from
_ALIGNED = ("manual", "signing_aligned", "")  # in the folders of subtitles, the best first
_UNSIGNED = rf"\[.*|{subtitled.UNSIGNED}"

log = logging.getLogger(__name__)


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`, with the official splits.

    Raises TableError, naming the file, as seds.corpora.readers says.
    """
    split_file = layouts.need(root, "BOBSL", *MARKS)
    split_of = {
        str(episode): splits.split_of(str(subset))
        for subset, episodes in json_files.load(split_file, dict).items()
        for episode in (episodes if isinstance(episodes, list) else [])
    }
    files = Files.below(root, *subtitles.SUFFIXES)
    if not files.others:
        raise TableError(f"{root}: expected subtitles such as {_ALIGNED[0]}_annotations/.../<episode>.vtt, found none")
    by_speech, best = defaultdict[bool, list[Track]](list), dict[PurePosixPath, tuple[int, str, Track]]()
    for path in files.others:
        track, rank = subtitled.track_of(path, files), _rank(path)
        best[track.video] = min(
            best.get(track.video, (9, "", track)), (rank, path.as_posix(), track), key=lambda t: t[:2]
        )
    for rank, _, track in best.values():
        by_speech[not _ALIGNED[rank]].append(track)
    rows = list[dict[str, Any]]()
    for is_speech, tracks in by_speech.items():
        offset = SPEECH_S if is_speech and dataset.offset_s is None else dataset.offset_s
        changed = {"offset_s": offset, "unsigned": dataset.unsigned if dataset.unsigned is not None else _UNSIGNED}
        if is_speech:
            log.info("%s: %d episodes have no aligned subtitles; times moved by %g s", root, len(tracks), offset)
        rows += subtitled.sentences(root, dataset.model_copy(update=changed), tracks)[0]
    for row in rows:
        episode = Path(row["path"]).stem
        row["split"] = split_of.get(episode, "")
        if not row["split"]:
            row["problem"] = row["problem"] or f"{split_file}: {episode} is not in train, val or test"
    return pd.DataFrame(rows, columns=list(ANNOTATIONS.columns))


def read_signs(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The verified spottings (seds.corpora.readers), each in the sentence in which its time is."""
    sentences = defaultdict[str, list[Any]](list)
    for sentence in read_annotations(root, dataset).itertuples():
        if not sentence.problem:
            sentences[Path(sentence.path).stem].append(sentence)
    rows = []
    for kind, window in WINDOWS.items():
        for file in sorted(root.glob(f"**/verified_{kind}_spottings.json")):
            for at, episode, time_s, sign in _spottings(file):
                own = [s for s in sentences.get(episode, ()) if s.start_s <= time_s < s.end_s]
                if not own:
                    problem = "in no sentence" if sign else "cannot be read"
                    rows.append({"video_id": at, "start_s": time_s, "end_s": time_s, "label": sign, "problem": problem})
                    continue
                begin, end = (time_s + frames / FPS for frames in window)
                start_s, end_s = max(begin, own[0].start_s), min(end, own[0].end_s)
                times = {"start_s": round(start_s - own[0].start_s, 6), "end_s": round(end_s - own[0].start_s, 6)}
                rows.append({"video_id": own[0].video_id, **times, "label": sign, "problem": ""})
    return pd.DataFrame(rows, columns=["video_id", "start_s", "end_s", "label", "problem"]).assign(tier=MANUAL)


def _rank(path: PurePosixPath) -> int:
    return next(i for i, name in enumerate(_ALIGNED) if name in path.as_posix())


def _spottings(file: Path) -> Iterator[tuple[str, str, float, str]]:
    """(its place, episode, time in s, sign) of each; one that makes no sense has no sign."""
    for subset, signs in json_files.load(file, dict).items():
        for sign, found in signs.items() if isinstance(signs, dict) else ():
            at = f"{file}: {subset}: {sign}"
            names, times = (found.get(key) if isinstance(found, dict) else None for key in ("names", "global_times"))
            if not isinstance(names, list) or not isinstance(times, list) or len(names) != len(times):
                yield at, "", 0.0, ""
                continue
            for i, (name, time_s) in enumerate(zip(names, times, strict=True)):
                entry = {"name": name, "time": time_s}
                try:
                    yield f"{at}: {i}", json_files.text(entry, "name"), json_files.number(entry, "time"), sign
                except ValueError:
                    yield f"{at}: {i}", "", 0.0, ""
