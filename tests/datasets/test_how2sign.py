import csv
import logging
import os
from pathlib import Path

import pytest

from seds import tables
from seds.datasets import how2sign

SHARED = Path(os.environ.get("SEDS_SHARED", "")) / "data"


def annotate(file: Path, *rows: tuple[str, str, str]) -> None:
    """Write an official annotation file of (sentence id, clip, text)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, delimiter="\t")
        writer.writerow(how2sign.COLUMNS)
        writer.writerows(
            [clip.split("_")[0], "full", sentence, clip, "12.97", "", text] for sentence, clip, text in rows
        )


@pytest.fixture
def root(tmp_path):
    annotate(
        tmp_path / "how2sign_realigned_train.csv",
        ("--7E_1", "--7E_1-5-rgb_front", ' "Oops", she\tsaid, isn\'t it "so"? '),
        ("--7E_1", "--7E_1-8-rgb_front", ' "Oops", she\tsaid, isn\'t it "so"? '),
        ("NA_2", "NA_2-10-rgb_front", "NaN"),
    )
    annotate(tmp_path / "how2sign_realigned_val.csv", ("-d5_0", "-d5_0-1-rgb_front", "Hi!"))
    annotate(tmp_path / "how2sign_realigned_test.csv", ("x_3", "strange name", "Bye!"))
    return tmp_path


def test_rows_become_annotations(root):
    table = tables.check(how2sign.read_annotations(root), tables.ANNOTATIONS, root)
    assert table["video_id"].tolist() == [
        "--7E_1-5-rgb_front",
        "--7E_1-8-rgb_front",
        "NA_2-10-rgb_front",
        "-d5_0-1-rgb_front",
        "strange name",
    ]
    assert table["split"].tolist() == ["train", "train", "train", "dev", "test"]
    assert table["sentence_id"].tolist() == ["--7E_1", "--7E_1", "NA_2", "-d5_0", "x_3"]
    assert table["signer"].tolist() == ["5", "8", "10", "1", ""]
    assert table["text"].tolist()[1:] == ['"Oops", she\tsaid, isn\'t it "so"?', "NaN", "Hi!", "Bye!"]
    assert table["text_original"][0] == ' "Oops", she\tsaid, isn\'t it "so"? '
    assert set(table["language"]) == {"en"}
    assert table[["start_s", "end_s"]].isna().all(axis=None)
    assert table["path"][3] == (root / "val/raw_videos/-d5_0-1-rgb_front.mp4").as_posix()


def test_the_download_scripts_layout_is_known_too(root):
    for split in how2sign.SPLITS:
        folder = root / "sentence_level" / split / "text/en/raw_text/re_aligned"
        folder.mkdir(parents=True)
        (root / f"how2sign_realigned_{split}.csv").rename(folder / f"how2sign_realigned_{split}.csv")
    table = how2sign.read_annotations(root)
    assert len(table) == 5
    assert table["path"][3] == (root / "sentence_level/val/rgb_front/raw_videos/-d5_0-1-rgb_front.mp4").as_posix()


def test_a_missing_annotation_file_is_named_with_the_layouts(root):
    (root / "how2sign_realigned_val.csv").unlink()
    with pytest.raises(tables.TableError, match=r"(?s)split 'val'.*how2sign_realigned_val\.csv with .*val/raw_videos/"):
        how2sign.read_annotations(root)


def test_a_clip_named_twice_is_refused_with_both_places(root):
    annotate(root / "how2sign_realigned_test.csv", ("a", "b-1-rgb_front", "A"), ("x", "--7E_1-5-rgb_front", "B"))
    with pytest.raises(tables.TableError, match=r"test\.csv:3: .*'--7E_1-5-rgb_front'.*train\.csv:2"):
        how2sign.read_annotations(root)


def test_a_row_without_text_is_kept_and_logged_with_its_line(root, caplog):
    annotate(root / "how2sign_realigned_val.csv", ("a", "a-1-rgb_front", "A"), ("b", "b-1-rgb_front", "  "))
    with caplog.at_level(logging.WARNING):
        table = how2sign.read_annotations(root)
    assert table.set_index("video_id").loc["b-1-rgb_front", "text"] == ""
    assert "how2sign_realigned_val.csv:3: b-1-rgb_front has no text" in caplog.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\tb\tc", r"val\.csv:3: expected 7 tab-separated columns on one line, got 3"),
        ('a\tb\tc\td\t\t\t"open', r"val\.csv:4: .*is a quotation mark left open\?"),
    ],
)
def test_a_malformed_row_is_named_with_its_line(root, line, message):
    file = root / "how2sign_realigned_val.csv"
    file.write_text(file.read_text() + f"{line}\r\nnext\tv\ts\tn\t\t\tText\r\n")
    with pytest.raises(tables.TableError, match=message):
        how2sign.read_annotations(root)


def test_foreign_columns_are_named(root):
    (root / "how2sign_realigned_val.csv").write_text("name\ttext\na\tb\n")
    with pytest.raises(tables.TableError, match=r"val\.csv:1: expected the columns VIDEO_ID, .*got 'name, text'"):
        how2sign.read_annotations(root)


def test_a_file_that_is_not_utf8_is_named(root):
    (root / "how2sign_realigned_val.csv").write_bytes("VIDEO_ID\tä".encode("latin-1"))
    with pytest.raises(tables.TableError, match=r"val\.csv is not a tab-separated UTF-8 file"):
        how2sign.read_annotations(root)


@pytest.mark.real
def test_real_clips_are_all_found():
    root = SHARED / "how2sign"
    if not root.is_dir():
        pytest.skip("SEDS_SHARED has no how2sign")
    table = tables.check(how2sign.read_annotations(root), tables.ANNOTATIONS, root)
    assert table["split"].value_counts().to_dict() == {"train": 161, "dev": 20, "test": 21}
    assert all(Path(path).is_file() for path in table["path"])
    assert set(table["signer"]) == {"1", "5", "8"}


@pytest.mark.real
def test_the_official_annotation_files_are_read_whole(tmp_path):
    official = SHARED / "how2sign_annotations"
    if not official.is_dir():
        pytest.skip("SEDS_SHARED has no how2sign_annotations")
    annotate(tmp_path / "how2sign_realigned_train.csv")
    for split in ("val", "test"):
        (tmp_path / f"how2sign_realigned_{split}.csv").symlink_to(official / f"how2sign_realigned_{split}.csv")
    table = tables.check(how2sign.read_annotations(tmp_path), tables.ANNOTATIONS, official)
    assert table["split"].value_counts().to_dict() == {"dev": 1741, "test": 2357}
    assert table.groupby("split")["sentence_id"].nunique().to_dict() == {"dev": 1529, "test": 1977}
    assert (table.groupby("sentence_id")["text"].nunique() == 1).all()
    assert (table["signer"] != "").all()
    assert not table["text"].str.contains('""', regex=False).any()
