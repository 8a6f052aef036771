"""Problems with the files of a corpus: rules over its VIDEOS table and its folder."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from seds import video
from seds.check.findings import ERROR, WARNING, Finding
from seds.corpora.media import MEDIA
from seds.corpora.prepare import lacking
from seds.errors import first_few, unicode_text
from seds.timing import file_end_s
from seds.video.cuts import cut_bounds, seconds_text

IMAGES = frozenset((".png", ".jpg", ".jpeg"))
_SHORT = 16  # frames, a window (SPEC 5)
_FAR = 0.05  # from the median, of a frame rate or of a frame's width by its height


def status(videos: pd.DataFrame) -> Iterator[Finding]:
    """Rows that cannot be used, and splits with too few sentences."""
    for row in videos[videos["status"] != "ok"].itertuples():
        yield Finding(ERROR, row.status, row.video_id, row.path, row.detail)
    for line in lacking(videos):
        yield Finding(ERROR, "too few sentences", "", "", line)


def cuts(videos: pd.DataFrame) -> Iterator[Finding]:
    """Cuts beyond the end of their file, and videos shorter than a window."""
    for row in videos[videos["status"] == "ok"].itertuples():
        length = file_end_s(row)
        start, end = cut_bounds(row.start_s, row.end_s)
        start, end = start or 0.0, length if end is None else end
        subject = (row.video_id, row.path)
        if end <= row.begin_s:
            detail = f"ends at {seconds_text(end)} s, but its file has no picture before {row.begin_s:.2f} s"
            yield Finding(ERROR, "cut before the picture", *subject, detail)
            continue
        if start >= length:
            detail = f"begins at {seconds_text(start)} s, but its file ends at {length:.2f} s"
            yield Finding(ERROR, "cut beyond the end", *subject, detail)
            continue
        if end > length + 1 / row.fps:
            detail = f"ends at {seconds_text(end)} s, {end - length:.2f} s after its file"
            yield Finding(WARNING, "cut past the end", *subject, detail)
        frames = round((min(end, length) - max(start, row.begin_s)) * row.fps)
        if frames < _SHORT:
            detail = f"{frames} frames, fewer than a window of {_SHORT}; its last frame is repeated"
            yield Finding(WARNING, "short", *subject, detail)


def remarks(videos: pd.DataFrame) -> Iterator[Finding]:
    """Files that can be read in more than one way, each once."""
    ok = videos[(videos["status"] == "ok") & (videos["detail"] != "")]
    file = ok["path"].where(ok["path"] != "", ok["video_id"])  # an imported video has none
    for row in ok[~file.duplicated()].itertuples():
        for remark in row.detail.split("; "):
            kind, _, detail = remark.partition(": ")
            yield Finding(WARNING, kind, row.video_id, row.path, detail)


def stated_lengths(videos: pd.DataFrame, stated: pd.Series) -> Iterator[Finding]:
    """Files whose number of frames differs from the annotation. stated: aligned with `videos`, null if unknown."""
    differs = (videos["status"] == "ok") & stated.notna() & (stated != videos["frames"])
    for row, says in zip(videos[differs].itertuples(), stated[differs], strict=True):
        detail = f"{row.frames} frames, its annotation says {says:g}"
        yield Finding(WARNING, "length differs", row.video_id, row.path, detail)


def shapes(videos: pd.DataFrame) -> Iterator[Finding]:
    """Whether the frame rates, or widths by heights, of some videos are far from those of most: once, with a count.

    A window is a number of frames, and frames are squeezed to a square, so these matter; another size of the same
    shape, or the odd clock of a phone, does not.
    """
    ok = videos[videos["status"] == "ok"]
    yield from _far_from_median("frame rate", ok, ok["fps"], ok["fps"].map("{:.4g} fps".format))
    sizes = ok["width"].astype(str) + "x" + ok["height"].astype(str) + " px"
    yield from _far_from_median("frame size", ok, ok["width"] / ok["height"], sizes)


def _far_from_median(what: str, videos: pd.DataFrame, values: pd.Series, shown: pd.Series) -> Iterator[Finding]:
    median = values.quantile(interpolation="lower")  # a video's own
    far = videos[(values / median - 1).abs() > _FAR]
    if len(far):
        first, usual = far.iloc[0], shown[values == median].iloc[0]
        common = shown[far.index].value_counts(sort=True)
        kinds = ", ".join(first_few([f"{count} of {value}" for value, count in common.items()], 5))
        detail = f"{len(far)} of {len(videos)} videos are over {_FAR:.0%} off the median, which is {usual}: {kinds}"
        yield Finding(WARNING, f"{what} differs", first["video_id"], first["path"], detail)


def same_bytes(videos: pd.DataFrame) -> Iterator[Finding]:
    """Videos with the same bytes and cut, in whatever files. Across train and another split it is an error."""
    ok = videos[videos["status"] == "ok"]
    keys = ["sha256", "start_s", "end_s"]
    twice = ok[ok.duplicated(keys, keep=False)]
    for _, rows in twice.groupby(keys, dropna=False, sort=False):
        first = rows.iloc[0]
        splits = set(rows["split"])
        leak = "train" in splits and len(splits) > 1
        kind = "same video in train and another split" if leak else "same video twice"
        for row in rows.iloc[1:].itertuples():
            detail = f"same bytes as {first['video_id']} ({first['split']}); this one is in {row.split}"
            yield Finding(ERROR if leak else WARNING, kind, row.video_id, row.path, detail)


def unreferenced(videos: pd.DataFrame, root: Path) -> Iterator[Finding]:
    """Video files, and folders of images, in the corpus's folder that no row names; other files that stop DVC.

    Links are followed, each once.
    """
    named = set(videos["path"])
    waiting, seen = deque([root.as_posix()]), set[tuple[int, int]]()
    while waiting:
        folder = waiting.popleft()
        try:
            status = os.stat(folder)
            with os.scandir(folder) as listing:
                entries = sorted(listing, key=lambda entry: entry.name)
        except OSError as error:
            yield Finding(WARNING, "unreadable folder", "", folder, error.strerror or str(error))
            continue
        if (status.st_dev, status.st_ino) in seen:  # a circular link
            continue
        seen.add((status.st_dev, status.st_ino))
        images = 0
        for entry in entries:
            path, suffix = f"{folder}/{entry.name}", Path(entry.name).suffix.lower()
            if suffix not in IMAGES | MEDIA and path != unicode_text(path) and not _is_folder(entry):
                detail = "DVC cannot watch a file with such a name, and its commands fail; rename it"
                yield Finding(WARNING, "name is no UTF-8", "", path, detail)
            if path in named or entry.name.startswith("."):
                continue
            if suffix in IMAGES:
                images += 1
            elif suffix in MEDIA:
                yield Finding(WARNING, "unreferenced file", "", path, "no row of the annotations names it")
            elif _is_folder(entry):
                waiting.append(path)
        if images:
            detail = f"{images} images, but no row of the annotations names it"
            yield Finding(WARNING, "unreferenced folder of images", "", folder, detail)


def undecodable(videos: pd.DataFrame, workers: int | None = None) -> list[Finding]:
    """Videos of which not every frame can be decoded."""

    def reason(row: dict[str, object]) -> str:
        start, end = cut_bounds(row["start_s"], row["end_s"])  # type: ignore[arg-type]
        try:
            deque(video.frames(str(row["path"]), start, end, row["fps"]), maxlen=0)  # type: ignore[arg-type]
        except (video.VideoError, OSError) as error:
            return str(error)
        return ""

    rows = videos[videos["status"] == "ok"].to_dict("records")
    with ThreadPoolExecutor(workers or os.cpu_count()) as pool:  # libav releases the interpreter lock
        reasons = list(tqdm(pool.map(reason, rows), total=len(rows), desc="decoding", unit="video", disable=None))
    return [
        Finding(ERROR, "damaged", row["video_id"], row["path"], why)
        for row, why in zip(rows, reasons, strict=True)
        if why
    ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circular link
        return False
