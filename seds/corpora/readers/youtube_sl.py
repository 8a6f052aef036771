"""YouTube-ASL (Uthus et al., NeurIPS 2023) and YouTube-SL-25 (Tanzer and Zhang, 2024): lists of films with subtitles.

    youtube_asl_video_ids.txt        an id a line
    youtube-sl-25-metadata.csv       without a header: id, sign language (ISO 639-3, or ???)
    .../<id>.mp4                     the films that were found, in any folder
    .../<id>.<language>.vtt          and their subtitles, as yt-dlp names them, or another format of subtitled

Cues are read as of `subtitled`, with its parameters. `sign_language` in the corpus's entry reads the films in one sign
language alone. A film without subtitles, or that is not there, is a row that says so.
"""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd

from seds.config import ConfigError, Dataset
from seds.corpora import subtitles
from seds.corpora.contents import ContentError, read_text
from seds.corpora.media import Files
from seds.corpora.readers import cuts, layouts, subtitled
from seds.tables import TableError

LISTS = ("*youtube*asl*ids*.txt", "*youtube*sl*25*.csv")
MARKS = (*LISTS, *(f"*/{name}" for name in LISTS))
ASL = "ase"  # of the first list, all films

log = logging.getLogger(__name__)


def read_annotations(root: Path, dataset: Dataset) -> pd.DataFrame:
    """The ANNOTATIONS table of the copy in `root`: a row a cue, and one a film of which there is none.

    Raises TableError, naming the file, for a list that cannot be read, ConfigError for a sign language that none is in.
    """
    file, files = layouts.need(root, "YouTube-ASL or YouTube-SL-25", *MARKS), Files.below(root, *subtitles.SUFFIXES)
    listed = _listed(file)
    known = sorted(set(listed.values()))
    wanted = dataset.sign_language
    if wanted is not None and wanted not in known:
        raise ConfigError(f"sign_language {wanted!r}: {file} has {', '.join(known)}")
    films = {name: language for name, language in listed.items() if wanted in (None, language)}
    if len(films) < len(listed):
        log.info("%s: %d of %d films are in %s", file, len(films), len(listed), wanted)
    tracks = [track for path in files.others if (track := subtitled.track_of(path, files)).video.stem in films]
    if len(tracks) < len(files.others):
        log.info("%s: %d subtitle files are of no listed film", root, len(files.others) - len(tracks))
    rows, groups = subtitled.sentences(root, dataset, subtitled.chosen(tracks, files, dataset.language, root))
    read, there = {Path(row["path"]).stem for row in rows}, {path.stem: path for path in files.videos}
    for name in films:
        if name in read:
            continue
        film = there.get(name)
        problem = f"{root / film}: has no subtitles that are read" if film else ""
        place = root / (film or f"videos/{name}.mp4")
        rows.append({**cuts.cut(name, place, 0, 0, "", subtitled.LANGUAGE, problem), "start_s": None, "end_s": None})
        groups.append(name)
    return cuts.table(rows, groups, root)


def _listed(file: Path) -> dict[str, str]:
    """The sign language of each film."""
    try:
        text, _ = read_text(file)
    except ContentError as error:
        raise TableError(str(error)) from None
    films = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, _, language = (part.strip() for part in line.partition(","))
        if name:
            if "/" in name or (file.suffix == ".csv" and not language):
                raise TableError(f"{file}:{number}: expected an id and a language, got {line[:80]!r}")
            films[name] = language or ASL
    return films
