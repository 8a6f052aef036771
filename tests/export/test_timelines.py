"""Sentences, signs and moments as ELAN files and subtitles, against the schema's rules, pympi, pysubs2, our readers."""

import os
from pathlib import Path

import pandas as pd
import pympi
import pysubs2
import pytest
from helpers import eaf_schema
from helpers.commands import seds
from helpers.films import film
from helpers.toy_search import write_params, write_searchable

from seds import tables
from seds.config import Dataset
from seds.corpora import eaf, prepare, subtitles
from seds.corpora.readers import elan, subtitled
from seds.export.timelines import Mark, lanes
from seds.search.gallery import Gallery
from stages import prepare as stage

TEXTS = ["Rain <falls> & ends.", "Snow\nis cold.", 'She said "-->".', "\u202ebidi \x07 bell", "雨が降る 🌧️"]


def write_corpus(root: Path) -> pd.DataFrame:
    """A folder corpus of two long films with signs, prepared; returns its videos table."""
    for i, name in enumerate(("talks/a.mp4", "b.c.mp4")):
        film(root / "data/raw/mine" / name, frames=60, shade=i)
    rows = [
        {"path": "talks/a.mp4", "text": text, "start_s": i, "end_s": i + 1.5, "signer": "ann", "split": split}
        for i, (text, split) in enumerate(zip(TEXTS, ("train", "train", "dev", "test", "test"), strict=True))
    ]
    rows.append({"path": "b.c.mp4", "text": "Whole.", "signer": "", "split": "train"})
    pd.DataFrame(rows).to_csv(root / "data/raw/mine/videos.csv", index=False)
    write_params(root, "mine")
    params = (root / "params.yaml").read_text().replace("corpus: demo", "corpus: folder")
    (root / "params.yaml").write_text(params)
    stage.main("mine")
    videos = tables.read("data/videos/mine.parquet", tables.VIDEOS, "")
    columns = list(tables.SIGNS.columns)
    signs = [
        (videos["video_id"][1], 0.25, 0.75, "manual", "SNOW", "annotation", 1.0),
        (videos["video_id"][1], 0.5, 1.0, "manual", "COLD", "annotation", 1.0),
        (videos["video_id"][1], 0.0, 1.0, "nonmanual", "shake", "annotation", 1.0),
    ]
    tables.write(pd.DataFrame(signs, columns=columns), tables.SIGNS, Path("data/signs/mine.parquet"))
    return videos


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    monkeypatch.chdir(tmp_path)
    return write_corpus(tmp_path)


def test_elan_files_keep_the_schema_and_are_read_back_by_pympi(mine: pd.DataFrame) -> None:
    assert "export/mine/elan: 2 files for 2 videos" in seds("export", "elan", "mine").stdout
    folder = Path("export/mine/elan")
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*")) == [
        "b.c.eaf", "b.c.mp4", "talks/a.eaf", "talks/a.mp4",
    ]  # fmt: skip
    eaf_schema.check(folder / "b.c.eaf")
    eaf_schema.check(folder / "talks/a.eaf")
    found = pympi.Elan.Eaf(str(folder / "talks/a.eaf"))
    texts = [text.replace("\x07", "\ufffd") for text in TEXTS]
    assert found.get_annotation_data_for_tier("sentences") == [
        (i * 1000, i * 1000 + 1500, text) for i, text in enumerate(texts) if i % 2 == 0
    ]
    assert found.get_annotation_data_for_tier("sentences (2)") == [
        (i * 1000, i * 1000 + 1500, text) for i, text in enumerate(texts) if i % 2
    ]
    assert found.get_annotation_data_for_tier("signs") == [(1250, 1750, "SNOW")]
    assert found.get_annotation_data_for_tier("signs (2)") == [(1500, 2000, "COLD")]
    assert found.get_annotation_data_for_tier("nonmanual") == [(1000, 2000, "shake")]
    assert found.tiers["sentences"][2]["PARTICIPANT"] == "ann"
    (medium,) = found.media_descriptors
    assert medium["RELATIVE_MEDIA_URL"] == "./a.mp4"
    assert medium["MEDIA_URL"] == Path("data/raw/mine/talks/a.mp4").resolve().as_uri()
    assert medium["MIME_TYPE"] == "video/mp4"
    assert (folder / "talks/a.mp4").samefile("data/raw/mine/talks/a.mp4")
    assert pympi.Elan.Eaf(str(folder / "b.c.eaf")).get_annotation_data_for_tier("sentences") == [(0, 6000, "Whole.")]


def test_elan_files_are_a_corpus_again(mine: pd.DataFrame) -> None:
    seds("export", "elan", "mine", "--output", "out")
    dataset = Dataset(corpus="elan", sentence_tiers="sentences*", sign_tiers="signs*", nonmanual_tiers="nonmanual")
    videos, signs, skipped = prepare.prepare_with_signs("again", dataset, Path("out"))
    assert sorted(videos["start_s"]) == [0.0, 0.0, 1.0, 2.0, 3.0, 4.0]
    assert set(videos["status"]) == {"ok"}
    assert len(signs) + len(skipped) == 3
    assert elan.all_tiers(Path("out"))["signs"].samples == ["SNOW"]
    document = eaf.read(Path("out/talks/a.eaf"))
    assert all(not one.problem for tier in document.tiers for one in tier.annotations)


def test_subtitles_are_read_back(mine: pd.DataFrame) -> None:
    assert "export/mine/vtt: 4 files for 2 videos" in seds("export", "vtt", "mine").stdout
    folder = Path("export/mine/vtt")
    cues = list(subtitles.read(folder / "talks/a.vtt"))
    assert [cue.problem for cue in cues] == [""] * 5
    assert [cue.text for cue in cues] == [text.strip() for text in TEXTS]
    assert [(cue.start_s, cue.end_s) for cue in cues] == [(i, i + 1.5) for i in range(5)]
    loaded = pysubs2.load(str(folder / "talks/a.signs.vtt"))
    assert [(line.start, line.end, line.plaintext) for line in loaded] == [(1250, 1750, "SNOW"), (1500, 2000, "COLD")]
    assert (folder / "talks/a.mp4").samefile("data/raw/mine/talks/a.mp4")
    again = subtitled.read_annotations(folder, Dataset(corpus="subtitled"))
    assert len(again) >= 6


def test_files_that_are_there_are_not_replaced_unasked(mine: pd.DataFrame) -> None:
    seds("export", "elan", "mine")
    edited = Path("export/mine/elan/talks/a.eaf")
    edited.write_text("edited")
    message = seds("export", "elan", "mine", code=1).stderr
    assert "export/mine/elan/b.c.eaf exists, and so do 1 others; it may have been edited" in message
    assert edited.read_text() == "edited"
    seds("export", "elan", "mine", "--overwrite")
    eaf_schema.check(edited)
    seds("export", "vtt", "mine")
    assert "exists" in seds("export", "vtt", "mine", code=1).stderr


def test_videos_that_are_no_files_are_counted(mine: pd.DataFrame) -> None:
    os.remove("data/raw/mine/b.c.mp4")
    assert "left out: 1 of 6 videos" in seds("export", "elan", "mine").stdout
    os.remove("data/raw/mine/talks/a.mp4")
    assert "has no video files" in seds("export", "elan", "mine", "--output", "x", code=1).stderr


def test_several_signers_of_a_file_have_tiers_of_their_own(mine: pd.DataFrame) -> None:
    videos = mine.assign(signer=["ann", "ben", "ann", "ben", "ann", ""])
    tables.write(videos, tables.VIDEOS, Path("data/videos/mine.parquet"))
    seds("export", "elan", "mine")
    root = eaf_schema.check(Path("export/mine/elan/talks/a.eaf"))
    tiers = {tier.attrib["TIER_ID"]: tier.attrib.get("PARTICIPANT") for tier in root.iter("TIER")}
    assert tiers == {
        "sentences ann": "ann", "sentences ben": "ben", "signs ben": "ben", "signs ben (2)": "ben",
        "nonmanual ben": "ben",
    }  # fmt: skip


@pytest.fixture(scope="module")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A toy gallery whose videos are cuts of one film."""
    root = write_searchable(tmp_path_factory.mktemp("searchable"), {"train": 1, "test": 2})
    (root / "data/raw/toy").mkdir(parents=True)
    film(root / "data/raw/toy/a.mp4", frames=60)
    place = root / "index/toy/videos.parquet"
    table = pd.read_parquet(place)
    table = table.assign(path="data/raw/toy/a.mp4", start_s=10.0, end_s=10.0 + table["duration_s"])
    tables.write(table, tables.INDEX_VIDEOS, place)
    videos = pd.read_parquet(root / "data/manifest/toy.parquet").assign(
        path="data/raw/toy/a.mp4", start_s=10.0, end_s=11.0, frames=600, begin_s=0.0, status="ok", dataset="toy"
    )
    tables.write(videos[list(tables.VIDEOS.columns)], tables.VIDEOS, root / "data/videos/toy.parquet")
    tables.write(pd.DataFrame(columns=list(tables.SIGNS.columns)), tables.SIGNS, root / "data/signs/toy.parquet")
    return root


def test_search_exports_what_it_has_found_and_when(searchable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(searchable)
    gallery = Gallery.open("toy")
    hits = gallery.search_text("a cat", 2)
    moments = [gallery.explain_clip("a cat", gallery.clip(hit.video_id)).moments for hit in hits]
    expected = sorted(
        (round(1000 * (10 + moment.start_s)), round(1000 * (10 + moment.end_s)), word)
        for own in moments
        for word, moment in zip(("a", "cat"), own, strict=True)
    )
    seds("export", "elan", "toy", "--search", "a cat", "-k", "2", "--output", "found")
    eaf_schema.check(Path("found/a.eaf"))
    read = pympi.Elan.Eaf("found/a.eaf")
    names = [name for name in read.get_tier_names() if name.startswith("moments")]
    assert sorted(mark for name in names for mark in read.get_annotation_data_for_tier(name)) == expected
    names = [name for name in read.get_tier_names() if name.startswith("search")]
    spans = sorted(mark for name in names for mark in read.get_annotation_data_for_tier(name))
    assert [value.split(".")[0] for _, _, value in sorted(spans, key=lambda mark: mark[2])] == ["1", "2"]
    assert all(start == 10_000 for start, _, _ in spans)
    seds("export", "vtt", "toy", "--search", "a cat", "-k", "2", "--output", "found")
    cues = list(subtitles.read(Path("found/a.search.vtt")))
    assert len(cues) == len(expected) + 2


def test_marks_lie_on_lanes_without_overlap() -> None:
    marks = [Mark(0, 10, "a"), Mark(5, 15, "b"), Mark(10, 20, "c"), Mark(12, 14, "d"), Mark(15, 16, "e")]
    assert [[mark.value for mark in lane] for lane in lanes(reversed(marks))] == [["a", "c"], ["b", "e"], ["d"]]
