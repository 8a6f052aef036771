"""PHOENIX-2014T: the official tree, the real annotation files, and rows that make no sense."""

from pathlib import Path

import pytest
from helpers.official import FRAMES, NOWHERE, OUTSIDE, SIZE, TEXTS, lay_out

from seds import tables, video
from seds.config import Dataset
from seds.corpora.prepare import prepare
from seds.corpora.readers import phoenix14t

PHOENIX = Dataset(corpus="phoenix14t")
HEADER = "name|video|start|end|speaker|orth|translation"


def row(name: str, text: str = "am tag regen", speaker: str = "Signer08") -> str:
    return f"{name}|{name}/1/*.png|-1|-1|{speaker}|TAG REGEN|{text}"


def annotate(top: Path, split: str, *rows: str, end: str = "\n", start: str = "") -> None:
    file = top / f"annotations/manual/PHOENIX-2014-T.{split}.corpus.csv"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((start + end.join([HEADER, *rows]) + end).encode())


def make(top: Path) -> None:
    """The official tree with one video a split, and of train one more."""
    for split in tables.SPLITS:
        name = f"11August_2010_Wednesday_tagesschau-{split}"
        annotate(top, split, row(name, f"regen in {split}"))
        lay_out(top / phoenix14t.FRAMES / split / name, "images{:04d}.png")


@pytest.mark.parametrize("inside", phoenix14t.TOPS)
def test_the_official_tree_is_prepared(tmp_path, inside):
    make(tmp_path / inside)
    videos = prepare("phoenix", PHOENIX, tmp_path)
    assert videos["status"].tolist() == ["ok"] * 3
    assert videos["split"].tolist() == ["train", "dev", "test"]
    assert videos["text"].tolist() == [f"regen in {split}" for split in tables.SPLITS]
    assert set(videos["signer"]) == {"Signer08"}
    assert set(videos["language"]) == {"de"}
    assert (videos[["frames", "fps", "width", "height"]] == (FRAMES, 25.0, SIZE, SIZE)).all(axis=None)
    assert sum(1 for _ in video.frames(videos["path"][0], fps=25.0)) == FRAMES


def test_frames_may_lie_a_folder_deeper(tmp_path):
    make(tmp_path)
    name = "11August_2010_Wednesday_tagesschau-train"
    folder = tmp_path / phoenix14t.FRAMES / "train" / name
    folder.rename(tmp_path / "frames")
    folder.mkdir()
    (tmp_path / "frames").rename(folder / "1")
    videos = prepare("phoenix", PHOENIX, tmp_path)
    assert videos["status"].tolist() == ["ok"] * 3
    assert videos["path"][0] == (folder / "1").as_posix()


def test_every_text_is_one_row_whatever_it_holds(tmp_path):
    make(tmp_path)
    annotate(tmp_path, "dev", *(row(f"v{i}", text) for i, (text, _) in enumerate(TEXTS.values())), end="\r\n")
    table = phoenix14t.read_annotations(tmp_path, PHOENIX)
    dev = table[table["split"] == "dev"]
    assert dev["text"].tolist() == [read for _, read in TEXTS.values()]
    assert dev["text_original"].tolist() == [text for text, _ in TEXTS.values()]
    assert (dev["problem"] == "").all()


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path):
    make(tmp_path)
    annotate(tmp_path, "test", row("a"), start="\ufeff", end="\r\n")
    table = phoenix14t.read_annotations(tmp_path, PHOENIX)
    assert table["video_id"].tolist()[-1] == "a"


def test_hostile_rows_are_listed_and_the_rest_goes_on(tmp_path):
    corpus = tmp_path / "corpus"
    make(corpus)
    lay_out(tmp_path / "outside", "images{:04d}.png")
    beside = "../../../../outside"  # is there, and must not be opened
    assert (corpus / phoenix14t.FRAMES / "train" / beside).is_dir()
    good = "11August_2010_Wednesday_tagesschau-train"
    (corpus / phoenix14t.FRAMES / "train/loop").symlink_to("loop")
    lay_out(corpus / phoenix14t.FRAMES / "train" / "bo\u0308en", "images{:04d}.png")
    rows = [
        row(good),
        *map(row, (beside, *OUTSIDE)),
        *map(row, NOWHERE),
        row(good, "another text"),
        row("bo\u0308en"),
        row(""),
        row("a|b"),  # one field too many
        "c|c/1/*.png",
    ]
    annotate(corpus, "train", *rows, "", "  ", end="\r\n")
    with (corpus / "annotations/manual/PHOENIX-2014-T.train.corpus.csv").open("ab") as file:
        file.write(b"latin|latin/1/*.png|-1|-1|Signer01|X|\xfcber\n")
    videos = prepare("phoenix", PHOENIX, corpus)
    train = videos[videos["split"] == "train"]
    assert len(train) == len(rows) + 1
    assert videos["video_id"].is_unique
    found = dict(zip(train["video_id"], train["status"], strict=True))
    assert found[good] == "ok"
    assert found["bo\u0308en"] == "ok"  # the name stays as it is on the disk
    assert {found[name] for name in (beside, *OUTSIDE)} == {"refused"}
    assert {found[name] for name in NOWHERE} == {"missing"}
    assert found[f"{good}#2"] == "duplicate"
    assert train["status"].value_counts().to_dict() == {"refused": 7, "missing": 6, "ok": 2, "duplicate": 1}
    details = "\n".join(train["detail"])
    assert "train.corpus.csv:14: has no name" in details
    assert "train.corpus.csv:15: expected 7 fields separated by '|', got 9: a|b" in details
    assert "train.corpus.csv:19: is not UTF-8" in details
    assert (videos.loc[videos["split"] != "train", "status"] == "ok").all()


def test_a_split_without_annotation_is_named(tmp_path):
    make(tmp_path)
    (tmp_path / "annotations/manual/PHOENIX-2014-T.dev.corpus.csv").unlink()
    with pytest.raises(tables.TableError, match=r"dev\.corpus\.csv cannot be read: No such file"):
        phoenix14t.read_annotations(tmp_path, PHOENIX)
    with pytest.raises(tables.TableError, match=r"(?s)expected one of.*PHOENIX-2014-T/annotations/manual"):
        phoenix14t.read_annotations(tmp_path / "elsewhere", PHOENIX)


def test_foreign_columns_are_named(tmp_path):
    make(tmp_path)
    (tmp_path / "annotations/manual/PHOENIX-2014-T.test.corpus.csv").write_text("name,text\na,b\n")
    with pytest.raises(tables.TableError, match=r"test\.corpus\.csv:1: expected the columns name, .*got name,text"):
        phoenix14t.read_annotations(tmp_path, PHOENIX)


@pytest.mark.real
def test_the_official_annotation_is_read_whole(shared, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/manual").symlink_to(shared / "data/phoenix14t_annotations")
    table = tables.check(phoenix14t.read_annotations(tmp_path, PHOENIX), tables.ANNOTATIONS, tmp_path)
    assert table["split"].value_counts().to_dict() == {"train": 7096, "dev": 519, "test": 642}
    assert table["video_id"].is_unique
    assert (table["problem"] == "").all()
    assert (table["text"] != "").all()
    assert table["signer"].nunique() == 9
    test = table[table["split"] == "test"].reset_index(drop=True)
    assert test["text"].nunique() == 630
    assert (test["video_id"][0], test["signer"][0]) == ("25October_2010_Monday_tagesschau-17", "Signer01")
    assert test["text"][0].startswith("regen und schnee lassen an den alpen")
    assert test["path"][0].endswith("fullFrame-210x260px/test/25October_2010_Monday_tagesschau-17")
