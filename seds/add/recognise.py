"""What kind of corpus a folder or a table is: its reader, and what its entry in params.yaml should say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import pandas as pd

from seds.config import Dataset
from seds.corpora import eaf, subtitles
from seds.corpora.media import Files
from seds.corpora.pickles import PickleError
from seds.corpora.prepare import read_annotations
from seds.corpora.readers import (
    asl_citizen,
    bobsl,
    csl_daily,
    dgs_corpus,
    elan,
    folder,
    how2sign,
    layouts,
    ms_asl,
    openasl,
    phoenix14t,
    sem_lex,
    sheets,
    splits,
    wlasl,
    youtube_sl,
)
from seds.corpora.readers.elan_tiers import likeliest, listing, matching
from seds.errors import SedsError, first_few
from seds.imports.files import VideoFiles, open_source
from seds.imports.joints import KeypointsError
from seds.messages import printable, summarise_skipped

KEYPOINTS = "keypoints"  # which are imported, not linked
SIGNS = "signs"  # the one kind that is no reader: a table of them is made for the reader `folder`
VIDEOS = "videos"  # where this table finds the signs


class AddError(SedsError, ValueError):
    """Nothing that can be added; the message says what was looked for and what to do."""


@dataclass(frozen=True)
class Recognised:
    """A corpus on the disk.

    kind: one of KINDS. folder: what is linked as data/raw/<name>, or below it where `table` is to be written there.
    options: of its entry in params.yaml, besides corpus and profile. about: lines for a person.
    """

    kind: str
    folder: Path
    options: dict[str, object] = field(default_factory=dict)
    table: pd.DataFrame | None = None
    about: tuple[str, ...] = ()

    @property
    def corpus(self) -> str:
        """Its reader."""
        return "folder" if self.kind == SIGNS else self.kind

    @property
    def dataset(self) -> Dataset:
        return Dataset.model_validate(self.entry)

    @property
    def entry(self) -> dict[str, object]:
        return {"corpus": self.corpus, "profile": "auto", **self.options}


def recognise(path: Path, kind: str | None = None) -> Recognised:
    """What lies at `path`, a folder or a table. kind: if it is known, one of KINDS. Raises AddError."""
    if not path.exists():
        raise AddError(f"{path} not found")
    if kind is not None:
        if kind not in KINDS:
            raise AddError(f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
        found = KINDS[kind](path)
        if found is None:
            raise AddError(f"{path} does not look like {kind}: expected {_EXPECTED[kind]}")
        return found
    results = [found for look in KINDS.values() if (found := look(path))]
    if not results:
        files = Files.below(path) if path.is_dir() else Files()
        raise AddError(
            f"nothing that can be added was recognised at {path} ({len(files.videos):,} videos). Expected one of\n"
            + "\n".join(f"  {kind}: {expected}" for kind, expected in _EXPECTED.items())
        )
    return results[0]


def others(path: Path, chosen: str) -> list[str]:
    """Further kinds that `path` could be read as."""
    return [kind for kind, look in KINDS.items() if kind != chosen and look(path)]


def summary(found: Recognised, folder: Path) -> str:
    """How much of a corpus there is, by its reader, and what of it cannot be used. Raises what the reader raises.

    folder: where its files are now.
    """
    if found.kind == KEYPOINTS:
        return "no videos: the keypoints are imported, and a model of the pose stream is trained on them"
    if found.table is not None:
        shown = found.table["sign"]
        return f"{len(shown):,} videos of {shown.nunique():,} signs"
    table = read_annotations(Dataset.model_validate(found.entry), folder)
    usable = table[table["problem"] == ""]
    missing = sum(not Path(path).exists() for path in usable["path"].unique())
    line = (
        f"{len(usable):,} videos or cuts of {usable['path'].nunique():,} files, {usable['sentence_id'].nunique():,} "
        f"different sentences"
    )
    if missing:
        line += f"; {missing:,} of the files are missing"
    bad = table[table["problem"] != ""]
    if len(bad):
        rows = (("cannot be used", row.video_id, row.problem) for row in bad.itertuples())
        line += f"\n{summarise_skipped(rows, len(table), names=3)}"
    return line


def _how2sign(path: Path) -> Recognised | None:
    present = [layout for layout in how2sign.LAYOUTS if (path / layout[0].format(split="train")).is_file()]
    if not present:
        return None
    places = (
        "*/openpose_output/json",
        "*/*/openpose_output/json",
        "sentence_level/*/rgb_front/features/openpose_output/json",
    )
    boxes = next((folder for place in places for folder in sorted(path.glob(place))), None)
    about = (
        f"OpenPose keypoints of its clips can be imported: seds import keypoints OTHER_NAME --from {path} "
        f"--table {path} --size 1280x720 --fps 24"
    )
    return Recognised("how2sign", path, {"wrist_margin": 50 / 256}, about=(about,) if boxes else ())


def _phoenix(path: Path) -> Recognised | None:
    tables = (path / top / phoenix14t.ANNOTATION.format(split="train") for top in phoenix14t.TOPS)
    about = ("its texts are German; `captions` in its entry may name English ones (data/README.md)",)
    return Recognised("phoenix14t", path, about=about) if any(table.is_file() for table in tables) else None


def _csl_daily(path: Path) -> Recognised | None:
    labels = path / csl_daily.LABELS
    if not any((labels / name).is_file() for name in (csl_daily.PICKLE, csl_daily.MAP)):
        return None
    about = ("its texts are Chinese; `captions` in its entry may name English ones (data/README.md)",)
    return Recognised("csl_daily", path, {"wrist_margin": 50 / 512}, about=about)


def _marked(kind: str, *marks: str) -> Callable[[Path], Recognised | None]:
    """Looks for a corpus that a file of its own tells: one that a pattern in `marks` matches."""

    def look(path: Path) -> Recognised | None:
        return Recognised(kind, path) if path.is_dir() and layouts.find(path, *marks) else None

    return look


def _dgs_corpus(path: Path) -> Recognised | None:
    """ELAN files with the corpus's tiers, looked for in the first few."""
    files = Files.below(path, elan.SUFFIX) if path.is_dir() else Files()
    for file in files.others[:3]:
        try:
            tiers = eaf.read(path / file).tiers
        except SedsError:
            continue
        if matching(tiers, (dgs_corpus.ENGLISH,)) and matching(tiers, (dgs_corpus.SIGNS,)):
            return Recognised(
                "dgs_corpus", path, about=(f"{len(files.others):,} ELAN files, {len(files.videos):,} videos",)
            )
    return None


def _table(path: Path) -> Recognised | None:
    """A table of videos: the file that is given, or the one in the folder."""
    if path.is_file():
        return _of_table(path) if _is_sheet(path) else None
    named = [path / name for name in folder.TABLES if (path / name).is_file()]
    found = named or [file for file in sorted(path.iterdir()) if file.is_file() and _is_sheet(file)]
    readable = [table for file in found if (table := _of_table(file))]
    if len(readable) > 1:
        names = ", ".join(str(table.options.get("annotations", folder.TABLES[0])) for table in readable)
        raise AddError(f"{path} has several tables of videos: {names}; give the path of the one that is meant")
    return readable[0] if readable else None


def _is_sheet(file: Path) -> bool:
    return Path(file.name.lower().removesuffix(".gz")).suffix in sheets.SUFFIXES


def _of_table(file: Path) -> Recognised | None:
    try:
        records = list(sheets.read(file, folder.NEEDED, folder.OPTIONAL))
    except SedsError:
        return None
    options: dict[str, object] = {} if file.name in folder.TABLES else {"annotations": file.name}
    signs = sum(bool(record.get("sign", "").strip()) for record in records)
    about = (f"{file.name}: {len(records):,} rows" + (f", {signs:,} of single signs" if signs else ""),)
    return Recognised("folder", file.parent, options, about=about)


def _keypoints(path: Path) -> Recognised | None:
    """Keypoints that others extracted, in a folder without videos."""
    if not path.is_dir() or Files.below(path).videos:
        return None
    files = VideoFiles.below(path).paths
    try:
        layout = open_source(path / files[0]).layout if files else ""
    except (KeypointsError, PickleError, OSError):
        return None
    about = (f"{len(files):,} keypoint files; {files[0]}: {layout}",) if files else ()
    return Recognised(KEYPOINTS, path, {"streams": "pose"}, about=about) if files else None


def _elan(path: Path) -> Recognised | None:
    files = Files.below(path, elan.SUFFIX) if path.is_dir() else Files()
    if not files.others:
        return None
    summaries = elan.all_tiers(path)
    sentences, signs = likeliest(summaries)
    proposed = {"sentence_tiers": sentences, "sign_tiers": signs}
    options: dict[str, object] = {name: tiers for name, tiers in proposed.items() if tiers}
    about = [f"{len(files.others):,} ELAN files, {len(files.videos):,} videos; tiers:", listing(summaries)]
    if not sentences:
        about.append("no tier looks like sentences: name them as sentence_tiers in its entry")
    return Recognised("elan", path, options, about=tuple(about))


def _subtitled(path: Path) -> Recognised | None:
    files = Files.below(path, *subtitles.SUFFIXES) if path.is_dir() else Files()
    if not files.others or not files.videos:
        return None
    return Recognised("subtitled", path, about=(f"{len(files.others):,} subtitle files, {len(files.videos):,} videos",))


def _signs(path: Path) -> Recognised | None:
    """Clips of single signs, in a folder for each sign: HOUSE/1.mp4, or by split, train/HOUSE/1.mp4."""
    videos = Files.below(path).videos if path.is_dir() else []
    rows = [row for video in videos if (row := _sign(video))]
    if len(rows) < len(videos) or len({row["sign"] for row in rows}) < 2:
        return None
    table = pd.DataFrame(rows)
    if not (table["split"] != "").all():
        table = table.drop(columns="split")
    samples = ", ".join(first_few([printable(sign, 40) for sign in table["sign"].unique()], 5))
    return Recognised(SIGNS, path, table=table, about=(f"folders named by signs: {samples}",))


def _sign(video: PurePosixPath) -> dict[str, str] | None:
    parents = list(video.parts[:-1])
    split = splits.split_of(parents[0]) if len(parents) > 1 else ""
    if len(parents) != (2 if split else 1) or (len(parents) == 1 and splits.split_of(parents[0])):
        return None
    sign = parents[-1]
    text = " ".join(sign.replace("_", " ").split())
    return {"path": f"{VIDEOS}/{video}", "text": text, "sign": sign, "split": split}


_MARKS = {
    "openasl": openasl.MARKS,
    "youtube_sl": youtube_sl.MARKS,
    "bobsl": bobsl.MARKS,
    "asl_citizen": asl_citizen.MARKS,
    "wlasl": wlasl.MARKS,
    "ms_asl": ms_asl.MARKS,
    "sem_lex": sem_lex.MARKS,
}

# In the order in which they are looked for: what says most of itself comes first.
KINDS: dict[str, Callable[[Path], Recognised | None]] = {
    "how2sign": _how2sign,
    "phoenix14t": _phoenix,
    "csl_daily": _csl_daily,
    **{kind: _marked(kind, *marks) for kind, marks in _MARKS.items()},
    "dgs_corpus": _dgs_corpus,
    KEYPOINTS: _keypoints,
    "folder": _table,
    "elan": _elan,
    "subtitled": _subtitled,
    SIGNS: _signs,
}
_EXPECTED = {
    "how2sign": f"{how2sign.LAYOUTS[0][0].format(split='train')}, or another of its layouts (data/README.md)",
    "phoenix14t": phoenix14t.ANNOTATION.format(split="train"),
    "csl_daily": f"{csl_daily.LABELS}/{csl_daily.PICKLE} or {csl_daily.MAP}",
    **{kind: " or ".join(marks[:2]) for kind, marks in _MARKS.items()},
    "dgs_corpus": f"*{elan.SUFFIX} with the tiers {dgs_corpus.ENGLISH} and {dgs_corpus.SIGNS}",
    "folder": f"a table with the columns {' and '.join(folder.NEEDED)}, such as {folder.TABLES[0]}",
    KEYPOINTS: "*.pose, OpenPose's *_keypoints.json, *.pkl, *.npy or *.parquet of keypoints, and no videos",
    "elan": f"*{elan.SUFFIX}",
    "subtitled": f"videos, and subtitles ({', '.join(subtitles.SUFFIXES)}) of the same names",
    SIGNS: "a folder for each sign, with its videos: HOUSE/1.mp4",
}
