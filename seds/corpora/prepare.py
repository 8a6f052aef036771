"""From a corpus's annotations to the videos table: what its files say, and which rows cannot be used.

Nothing vanishes: every row that a reader returns is in the table, under an id of its own, with a status. Only files in
the corpus's folder are opened: a path that leads out of it ("../../etc/passwd", an absolute path) is refused, while
links that its owner put there are followed, so a corpus may be on any disk.
"""

from __future__ import annotations

import math
import os
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from seds import tables
from seds.config import Dataset
from seds.corpora.headers import File, read_headers
from seds.corpora.readers import reader, texts
from seds.corpora.signs import Skipped, find_signs, no_signs
from seds.errors import SedsError
from seds.extraction import imported
from seds.messages import summarise_skipped
from seds.timing import duration_s
from seds.video.boxes import Box, format_box, parse_box, shares_hint

# What trains and tests a model: train needs a sentence to tell from another; dev chooses the epoch.
LEAST_SENTENCES = {"train": 2, "dev": 1, "test": 1}
_OVERHANG = 0.02  # of the frame's side: detectors' boxes reach slightly beyond it
_PERSON_PX, _PERSON_SHARE = 16, 0.01  # least side of a box with a person in it, and least share of the frame's area


class CorpusError(SedsError, ValueError):
    """A corpus that the pipeline cannot use; the message says why and what to do."""


def prepare(
    name: str, dataset: Dataset, root: Path, header_cache: Path | None = None, workers: int | None = None
) -> pd.DataFrame:
    """The VIDEOS table of the corpus in `root`, whose files are opened `workers` at a time.

    A row that cannot be used keeps its place, with status and detail: `refused` (its annotation is invalid),
    `duplicate` (an earlier row has its id; it gets another), `missing`, `unreadable`. For a cut of a longer file,
    `frames` counts those of the whole file. header_cache: see headers.read_headers. Raises ConfigError for an unknown
    corpus, TableError if an annotation file cannot be read at all.
    """
    if imported.is_imported(dataset):  # has no files to open: its table is whole
        videos = imported.read_videos(root).assign(dataset=name)
        return tables.check(videos, tables.VIDEOS, f"the videos of {name}")
    return complete(name, read_annotations(dataset, root), header_cache, workers)


def prepare_with_signs(
    name: str, dataset: Dataset, root: Path, header_cache: Path | None = None, workers: int | None = None
) -> tuple[pd.DataFrame, pd.DataFrame, list[Skipped]]:
    """As `prepare`, with the SIGNS table and what is not in it (seds.corpora.signs). Raises as both do."""
    if imported.is_imported(dataset):
        return prepare(name, dataset, root), no_signs(), []
    annotations = read_annotations(dataset, root)
    videos = complete(name, annotations, header_cache, workers)
    return videos, *find_signs(dataset, root, annotations, videos)


def read_annotations(dataset: Dataset, root: Path) -> pd.DataFrame:
    """The ANNOTATIONS table of a corpus, with `problem` where a path leaves `root`. Raises as `prepare` does."""
    table = tables.check(reader(dataset.corpus)(root, dataset), tables.ANNOTATIONS, f"the annotations in {root}")
    paths = [_inside(path, root) for path in table["path"]]
    outside = (table["problem"] == "") & pd.Series([path is None for path in paths], table.index)
    table.loc[outside, "problem"] = [_outside(path, root) for path in table.loc[outside, "path"]]
    table["path"] = [given if path is None else path for given, path in zip(table["path"], paths, strict=True)]
    return texts.captioned(table, dataset, root).reset_index(drop=True)


def complete(
    name: str, table: pd.DataFrame, header_cache: Path | None = None, workers: int | None = None
) -> pd.DataFrame:
    """The VIDEOS table of an ANNOTATIONS table; see `prepare`."""
    ids, first = distinct(table["video_id"].tolist())
    status = pd.Series("ok", table.index).mask(table["problem"] != "", "refused")
    detail = table["problem"].where(status != "ok", "")
    for i, original in first.items():
        if status[i] == "ok":
            same = f"row {i + 1} has the same video_id as row {original + 1}, {ids[original]!r}"
            status[i], detail[i] = "duplicate", same + _need_of_id(table.loc[i], table.loc[original])

    open_ = (status == "ok").to_numpy()
    files = [
        File(_on_disk(path), None if math.isnan(fps) else fps)
        for path, fps in zip(table.loc[open_, "path"], table.loc[open_, "fps"], strict=True)
    ]
    columns = {"frames": 0, "fps": 0.0, "width": 0, "height": 0, "begin_s": 0.0, "sha256": ""}
    videos = table.drop(columns=["sign", "problem", "stated_frames", "fps"]).assign(
        dataset=name, video_id=ids, status=status, detail=detail, **columns
    )
    if files:
        headers = pd.DataFrame(map(asdict, read_headers(files, header_cache, workers)), index=table.index[open_])
        videos.loc[open_, list(headers)] = headers
        videos.loc[open_, "path"] = [file.path for file in files]
    for i in videos.index[(videos["status"] == "ok") & (videos["bbox"] != "")]:
        try:
            box = person_box(videos.at[i, "bbox"], videos.at[i, "width"], videos.at[i, "height"])
            videos.at[i, "bbox"] = format_box(box)
        except ValueError as error:
            videos.loc[i, ["status", "detail"]] = ["refused", str(error)]
    return tables.check(videos, tables.VIDEOS, f"the videos of {name}")


def _need_of_id(row: pd.Series, other: pd.Series) -> str:
    """What to add about two rows of one id: if they are two signers of one film, that each needs its own."""
    if (row[["path", "start_s", "end_s"]].fillna(-1) != other[["path", "start_s", "end_s"]].fillna(-1)).any():
        return ""
    signers = [name for name in ("signer", "bbox") if row[name] != other[name]]
    return f"; they differ in {' and '.join(signers)}: give each a video_id of its own" if signers else ""


def fit_box(text: str, width: int, height: int) -> Box | None:
    """The box clipped to a frame of width x height px, if it overhangs by no more than a detector's margin of 2 %.

    Its sides are px or, all of them, percent of the frame, "10%,0%,90%,100%". Raises ValueError if it reaches further
    beyond the frame, as a box for another resolution does.
    """
    if text.count("%") == 4:
        try:
            sides = [float(side.strip().removesuffix("%")) / 100 for side in text.split(",")]
            text = ",".join(str(side * size) for side, size in zip(sides, (width, height) * 2, strict=True))
        except ValueError:
            raise ValueError(f"bbox {text!r}: expected left,top,right,bottom in percent of the frame") from None
    box = parse_box(text)
    if box is None:
        return None
    left, top, right, bottom = box
    x, y = _OVERHANG * width, _OVERHANG * height
    inside = max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height))
    overhangs = left < -x or top < -y or right > width + x or bottom > height + y
    if overhangs or inside[0] >= inside[2] or inside[1] >= inside[3]:
        raise ValueError(f"bbox {text!r} leaves the frame of {width}x{height} px")
    return inside


def person_box(text: str, width: int, height: int) -> Box | None:
    """The box clipped to a frame of width x height px, if a person fits in it. Raises ValueError, as `fit_box` does."""
    box = fit_box(text, width, height)
    if box is None:
        return None
    across, down = box[2] - box[0], box[3] - box[1]
    small = across < min(_PERSON_PX, width) or down < min(_PERSON_PX, height)
    if small or across * down < _PERSON_SHARE * width * height:
        raise ValueError(
            f"bbox {text!r} is {across:.3g}x{down:.3g} px of a frame of {width}x{height} px, and no person fits in it"
            + (shares_hint(box) or "; expected left,top,right,bottom in px of the frame as shown")
        )
    return box


def distinct(ids: Sequence[str]) -> tuple[list[str], dict[int, int]]:
    """Unique ids, and for each repeated one the row it repeats: ["a", "a"] -> ["a", "a#2"], {1: 0}."""
    taken, first = set(ids), dict[str, int]()
    result, repeated = list(ids), {}
    for i, video_id in enumerate(ids):
        if video_id in first:
            number = 2
            while f"{video_id}#{number}" in taken:
                number += 1
            result[i], repeated[i] = f"{video_id}#{number}", first[video_id]
            taken.add(result[i])
        else:
            first[video_id] = i
    return result, repeated


def lacking(videos: pd.DataFrame) -> list[str]:
    """What a VIDEOS table lacks to be trained and tested on: a line for each split with too few sentences."""
    usable = videos[(videos["status"] == "ok") & (videos["text"] != "")]
    lines = []
    for split, least in LEAST_SENTENCES.items():
        count, rows = usable.loc[usable["split"] == split, "sentence_id"].nunique(), (videos["split"] == split).sum()
        if count < least:
            lines.append(f"usable sentences in {split}: {count} (of {rows} rows), needed: {least}")
    return lines


def check_splits(name: str, videos: pd.DataFrame) -> None:
    """Raises CorpusError for a corpus that could be extracted for hours, but not be trained or tested on."""
    if lines := lacking(videos):
        raise CorpusError(
            f"{name} cannot be trained and tested on: {'; '.join(lines)}. Add videos to that split or mend the rows "
            f"that cannot be used (seds check {name} lists them). Splits are drawn where no row names one, which takes "
            f"{sum(LEAST_SENTENCES.values())} sentences"
        )


def summary(videos: pd.DataFrame) -> str:
    """What a VIDEOS table holds, by split; then which rows cannot be used, and why."""
    bad = videos[videos["status"] != "ok"]
    rows = zip(bad["status"], bad["video_id"], bad["detail"], strict=True)
    return counts(videos) + (f"\n{summarise_skipped(rows, len(videos))}" if len(bad) else "")


def counts(videos: pd.DataFrame) -> str:
    """Videos, sentences, signers and hours of each split of a VIDEOS table, and the signers in both train and test."""
    ok = videos[videos["status"] == "ok"]
    seconds = pd.Series([duration_s(video) for video in ok.itertuples()], ok.index, dtype=float)
    hours = seconds.groupby(ok["split"]).sum() / 3600
    lines = [f"{'split':<6}{'videos':>8}{'readable':>10}{'sentences':>11}{'signers':>9}{'hours':>8}"]
    signers = {split: set(rows["signer"]) - {""} for split, rows in videos.groupby("split")}
    for split in tables.SPLITS:
        rows = videos[videos["split"] == split]
        lines.append(
            f"{split:<6}{len(rows):>8}{(rows['status'] == 'ok').sum():>10}{rows['sentence_id'].nunique():>11}"
            f"{len(signers.get(split, ())):>9}{hours.get(split, 0.0):>8.2f}"
        )
    tested, trained = (signers.get(split, set()) for split in ("test", "train"))
    if tested and trained:
        lines.append(f"{len(tested & trained)} of the {len(tested)} signers in test are also in train")
    return "\n".join(lines)


def _inside(path: str, root: Path) -> str | None:
    """The normalised path if it is below `root`, judged by its name; else None.

    An absolute path counts as inside if it is in the folder that `root` is, or is a link to.
    """
    normal = os.path.normpath(path)  # this is opened later: "link/.." would lead elsewhere
    if os.path.isabs(normal):
        for base in (root.absolute(), root.resolve()):
            if Path(normal).is_relative_to(base):
                normal = str(root / Path(normal).relative_to(base))
    top = os.path.normpath(root)
    return Path(normal).as_posix() if normal.startswith(top + os.sep) else None


def _outside(path: str, root: Path) -> str:
    return (
        f"{path!r} is outside {root.as_posix()}, and only files inside it are opened; to use another folder, link it "
        f"there (ln -s FOLDER {root.as_posix()}/...) and give the path through that link"
    )


def _on_disk(path: str) -> str:
    """The path in the Unicode form that the file's name has: macOS writes é as two characters, tables as one."""
    try:
        forms = (path, *(unicodedata.normalize(form, path) for form in ("NFC", "NFD")))
        return next((form for form in forms if not path.isascii() and os.path.lexists(form)), path)
    except ValueError:  # not a path, such as one with a NUL; reading its header will say so
        return path
