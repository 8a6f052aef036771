"""How2Sign: clips and cuts of full videos in the official layouts, the real annotation files, hostile rows."""

import csv
import logging
from pathlib import Path

import pytest
from helpers.official import FRAMES, NOWHERE, OUTSIDE, SIZE, TEXTS, film

from seds import tables, video
from seds.config import Dataset
from seds.corpora.prepare import prepare
from seds.corpora.readers import how2sign

HOW2SIGN = Dataset(corpus="how2sign")
SHORT, REALIGNED, *_ = how2sign.LAYOUTS


def annotate(
    file: Path,
    *rows: tuple[str, ...],
    columns: tuple[str, ...] = how2sign.REALIGNED,
    start: str = "",
    end: str = "\r\n",
) -> None:
    """Write an official annotation file of (sentence id, clip, text) or (sentence id, clip, text, start, end)."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", newline="", encoding="utf-8") as out:
        out.write(start)
        writer = csv.writer(out, delimiter="\t", lineterminator=end)
        writer.writerow(columns)
        for sentence, clip, text, *times in rows:
            writer.writerow([sentence.rsplit("_", 1)[0], full(clip), sentence, clip, *(times or ["12.97", ""]), text])


def full(clip: str) -> str:
    """--7E_1-5-rgb_front -> --7E-5-rgb_front, the full video of a clip."""
    sentence, dash, rest = clip.partition("-5-rgb")
    return sentence.rsplit("_", 1)[0] + dash + rest


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


def read(root):
    return tables.check(how2sign.read_annotations(root, HOW2SIGN), tables.ANNOTATIONS, root)


def test_rows_become_annotations(root):
    table = read(root)
    assert table["video_id"].tolist() == [
        "--7E_1-5-rgb_front",
        "--7E_1-8-rgb_front",
        "NA_2-10-rgb_front",
        "-d5_0-1-rgb_front",
        "strange name",
    ]
    assert table["split"].tolist() == ["train", "train", "train", "dev", "test"]
    assert table["sentence_id"].tolist() == ["--7E_1", "--7E_1", "NA_2", "-d5_0", "x_3"]  # a sentence of two signers
    assert table["signer"].tolist() == ["5", "8", "10", "1", ""]
    assert table["text"].tolist()[1:] == ['"Oops", she said, isn\'t it "so"?', "NaN", "Hi!", "Bye!"]
    assert table["text_original"][0] == ' "Oops", she\tsaid, isn\'t it "so"? '
    assert set(table["language"]) == {"en"}
    assert table[["start_s", "end_s", "fps"]].isna().all(axis=None)
    assert (table[["bbox", "problem"]] == "").all(axis=None)
    assert table["path"][3] == (root / "val/raw_videos/-d5_0-1-rgb_front.mp4").as_posix()


@pytest.mark.parametrize("layout", how2sign.LAYOUTS)
def test_clips_are_read_whole_in_every_layout(tmp_path, layout):
    columns = how2sign.REALIGNED if "realigned" in layout[0] else how2sign.BY_SPEECH
    for split in how2sign.SPLITS:
        clip = f"-{split}_0-5-rgb_front"
        annotate(tmp_path / layout[0].format(split=split), (f"-{split}_0", clip, "Hi!", "90", "95"), columns=columns)
        film(tmp_path / layout[1].format(split=split) / f"{clip}.mp4")
    videos = prepare("h2s", HOW2SIGN, tmp_path)
    assert videos["status"].tolist() == ["ok"] * 3
    assert (videos["frames"] == FRAMES).all()
    assert videos[["start_s", "end_s"]].isna().all(axis=None)


@pytest.mark.parametrize("layout", [SHORT, REALIGNED])
def test_without_clips_a_sentence_is_a_cut_of_the_full_video(tmp_path, layout):
    for split in how2sign.SPLITS:
        rows = [
            (f"-{split}_{i}", f"-{split}_{i}-5-rgb_front", "Hi!", *times)
            for i, times in enumerate([("0", "0.48"), ("0.48", "1.2")])
        ]
        annotate(tmp_path / layout[0].format(split=split), *rows)
        film(tmp_path / layout[2].format(split=split) / f"-{split}-5-rgb_front.mp4", repeat=3)
    videos = prepare("h2s", HOW2SIGN, tmp_path)
    assert videos["status"].tolist() == ["ok"] * 6
    assert videos["start_s"].tolist() == [0.0, 0.48] * 3
    assert videos["end_s"].tolist() == [0.48, 1.2] * 3
    assert videos["path"].nunique() == 3
    assert videos["video_id"].nunique() == 6
    cut = videos.iloc[1]
    assert sum(1 for _ in video.frames(cut["path"], cut["start_s"], cut["end_s"])) == 9  # of 12.5 a second


def test_sentence_without_its_clip_is_cut_from_the_full_video(tmp_path):
    for split in how2sign.SPLITS:
        rows = [(f"{split}_{i}", f"{split}_{i}-5-rgb_front", "Hi!", f"{i}", f"{i}.5") for i in range(3)]
        annotate(tmp_path / REALIGNED[0].format(split=split), *rows)
    clips, full_videos = (tmp_path / place.format(split="train") for place in REALIGNED[1:])
    film(clips / "train_0-5-rgb_front.mp4")
    film(full_videos / "train-5-rgb_front.mp4")
    table = read(tmp_path)
    assert table["path"].tolist()[:3] == [
        (clips / "train_0-5-rgb_front.mp4").as_posix(),
        *[(full_videos / "train-5-rgb_front.mp4").as_posix()] * 2,
    ]
    assert table["start_s"].isna().tolist() == [True, False, False, *[True] * 6]


def test_a_cut_without_times_is_listed(tmp_path):
    times = [("", ""), ("2", "1"), ("1", "1"), ("-1", "1"), ("nan", "1"), ("1", "inf"), ("0,5", "1"), ("0.5", "1")]
    for split in how2sign.SPLITS:
        rows = [(f"{split}_{i}", f"{split}_{i}-5-rgb_front", "Hi!", *both) for i, both in enumerate(times)]
        annotate(tmp_path / SHORT[0].format(split=split), *rows)
        film(tmp_path / SHORT[2].format(split=split) / f"{split}-5-rgb_front.mp4")
    videos = prepare("h2s", HOW2SIGN, tmp_path)
    assert videos["status"].tolist() == [*["refused"] * 7, "ok"] * 3
    assert "train.csv:2: expected start and end of a cut" in videos["detail"][0]
    assert videos["detail"][0].endswith("got ['', '']")


@pytest.mark.parametrize("key", ["SENTENCE_NAME", "VIDEO_NAME"])
def test_boxes_say_where_the_signer_is(root, key, caplog):
    name = "--7E_1-5-rgb_front" if key == "SENTENCE_NAME" else "--7E-5-rgb_front"
    (root / "bbox.csv").write_bytes(
        f"\ufeff{key},left,top,right,bottom\r\n{name},1,2,30,40.5\r\ngone,1,2,3,4\r\n".encode()
    )
    with caplog.at_level(logging.WARNING):
        table = read(root)
    assert table["bbox"].tolist() == ["1,2,30,40.5", "", "", "", ""]
    assert "1 boxes are for no video of the annotations: " in caplog.text
    assert "bbox.csv:3" in caplog.text


def test_white_space_and_quotes_in_boxes_do_not_matter(root):
    lines = [
        'SENTENCE_NAME, left, "top" , right,bottom ',
        "--7E_1-5-rgb_front , 1, 2,\u00a030 ,40.5 ",
        '"--7E_1-8-rgb_front", "1","2","30", "40"',
    ]
    (root / "bbox.csv").write_text("\n".join(lines))
    table = read(root)
    assert table["bbox"].tolist()[:2] == ["1,2,30,40.5", "1,2,30,40"]
    assert (table["problem"] == "").all()


def test_a_box_that_makes_no_sense_refuses_its_video_only(root):
    for name in ("--7E_1-5-rgb_front", "--7E_1-8-rgb_front", "NA_2-10-rgb_front"):
        film(root / f"train/raw_videos/{name}.mp4")
    boxes = [
        "--7E_1-5-rgb_front,0,0,64",
        f"--7E_1-8-rgb_front,0,0,{2 * SIZE},9",
        "NA_2-10-rgb_front,0,0,20,30",
        "-d5_0-1-rgb_front,a,b,c,d",
    ]
    (root / "bbox.csv").write_text("\n".join(["SENTENCE_NAME,left,top,right,bottom", *boxes, boxes[2], ",1,2,3,4"]))
    videos = prepare("h2s", HOW2SIGN, root)
    assert videos["status"].tolist() == ["refused", "refused", "ok", "missing", "missing"]
    assert "bbox.csv:2: expected 5 fields" in videos["detail"][0]
    assert "leaves the frame of 64x64 px" in videos["detail"][1]
    assert videos["bbox"][2] == "0,0,20,30"


def test_every_text_is_one_row_whatever_it_holds(root):
    texts = {name: (text.replace("\r", " "), expected) for name, (text, expected) in TEXTS.items()}
    rows = [(f"s_{i}", f"s_{i}-1-rgb_front", text) for i, (text, _) in enumerate(texts.values())]
    rows.append(("s_tab", "s_tab-1-rgb_front", "a\ttab"))
    annotate(root / "how2sign_realigned_val.csv", *rows, start="\ufeff")
    dev = read(root).query("split == 'dev'")
    assert dev["text"].tolist() == [*(expected for _, expected in texts.values()), "a tab"]
    assert dev["text_original"].tolist() == [*(text for text, _ in texts.values()), "a\ttab"]
    assert (dev["problem"] == "").all()


def test_hostile_rows_are_listed_and_the_rest_goes_on(tmp_path):
    root = tmp_path / "corpus"
    for split in how2sign.SPLITS:
        annotate(root / SHORT[0].format(split=split), (f"{split}_0", f"{split}_0-5-rgb_front", "Hi!"))
        film(root / f"{split}/raw_videos/{split}_0-5-rgb_front.mp4")
    film(tmp_path / "outside.mp4")
    beside = "../../../outside"  # is there, and must not be opened
    assert (root / "train/raw_videos" / f"{beside}.mp4").is_file()
    film(root / "train/raw_videos/bo\u0308_1-5-rgb_front.mp4")
    (root / "train/raw_videos/loop.mp4").symlink_to("loop.mp4")
    good = ("train_0", "train_0-5-rgb_front", "Hi!")
    rows = [good, *(("s_0", name, "Hi!") for name in (beside, *OUTSIDE, *NOWHERE)), good]
    rows += [("bo\u0308_1", "bo\u0308_1-5-rgb_front", "Hi!"), ("s_0", "", "Hi!")]
    file = root / "how2sign_realigned_train.csv"
    annotate(file, *rows)
    malformed = [b"a\tb\tc", b'a\tb\tc\td\t\t\t"open', b"a\tb\tc\te\t\t\tSo\textra", b"a\tb\tc\tf\t\t\t\xfcber"]
    file.write_bytes(file.read_bytes() + b"\r\n".join([*malformed, b"", b"  "]))
    videos = prepare("h2s", HOW2SIGN, root)
    train = videos[videos["split"] == "train"]
    assert len(train) == len(rows) + len(malformed)
    found = dict(zip(train["video_id"], train["status"], strict=True))
    assert found["train_0-5-rgb_front"] == found["bo\u0308_1-5-rgb_front"] == "ok"
    assert found["train_0-5-rgb_front#2"] == "duplicate"
    assert {found[name] for name in (beside, *OUTSIDE)} == {"refused"}
    assert {found[name] for name in NOWHERE} == {"missing"}
    details = "\n".join(train.loc[train["status"] == "refused", "detail"])
    assert "train.csv:14: has no SENTENCE_NAME" in details
    assert "train.csv:15: expected 7 fields separated by a tab, got 3: " in details
    assert "train.csv:16: unexpected end of data; is a quotation mark not closed?" in details
    assert "train.csv:17: expected 7 fields separated by a tab, got 8: " in details
    assert "train.csv:18: is not UTF-8: invalid start byte at byte 10" in details
    assert (videos.loc[videos["split"] != "train", "status"] == "ok").all()


def test_a_missing_annotation_file_is_named_with_the_layouts(root):
    (root / "how2sign_realigned_val.csv").unlink()
    with pytest.raises(
        tables.TableError, match=r"(?s)split 'val'.*how2sign_realigned_val\.csv.*How2Sign/sentence_level"
    ):
        read(root)


def test_foreign_columns_are_named(root):
    (root / "how2sign_realigned_val.csv").write_text("name\ttext\na\tb\n")
    with pytest.raises(tables.TableError, match=r"val\.csv:1: expected the columns VIDEO_ID, .*got name, text"):
        read(root)


def test_a_file_that_is_not_utf8_is_named(root):
    (root / "how2sign_realigned_val.csv").write_bytes("VIDEO_ID\tä".encode("latin-1"))
    with pytest.raises(tables.TableError, match=r"val\.csv:1: is not UTF-8"):
        read(root)


@pytest.mark.slow
@pytest.mark.real
def test_real_clips_are_all_read(shared):
    videos = prepare("h2s", HOW2SIGN, shared / "data/how2sign")
    assert videos["split"].value_counts().to_dict() == {"train": 161, "dev": 20, "test": 21}
    assert set(videos["status"]) == {"ok"}
    assert (videos[["width", "height"]] == (960, 540)).all(axis=None)
    assert (videos["frames"].min(), videos["frames"].max()) == (15, 579)
    assert videos[["start_s", "end_s"]].isna().all(axis=None)
    assert set(videos["signer"]) == {"1", "5", "8"}


@pytest.mark.real
def test_the_official_annotation_files_are_read_whole(shared, tmp_path):
    official = shared / "data/how2sign_annotations"
    annotate(tmp_path / "how2sign_realigned_train.csv")
    for split in ("val", "test"):
        (tmp_path / f"how2sign_realigned_{split}.csv").symlink_to(official / f"how2sign_realigned_{split}.csv")
    table = read(tmp_path)
    assert table["split"].value_counts().to_dict() == {"dev": 1741, "test": 2357}
    assert table.groupby("split")["sentence_id"].nunique().to_dict() == {"dev": 1529, "test": 1977}
    assert (table.groupby("sentence_id")["text"].nunique() == 1).all()
    assert (table["signer"] != "").all()
    assert (table["problem"] == "").all()
    assert not table["text"].str.contains('""', regex=False).any()


@pytest.mark.real
def test_every_official_sentence_is_a_cut_of_its_full_video(shared, tmp_path):
    official = shared / "data/how2sign_annotations"
    annotate(tmp_path / REALIGNED[0].format(split="train"))
    for split in ("val", "test"):
        file = tmp_path / REALIGNED[0].format(split=split)
        file.parent.mkdir(parents=True)
        file.symlink_to(official / file.name)
        (tmp_path / REALIGNED[2].format(split=split)).mkdir(parents=True)
    table = read(tmp_path)
    assert len(table) == 4098
    assert (table["problem"] == "").all()
    assert (table["start_s"] < table["end_s"]).all()
    assert table.groupby("split")["path"].nunique().to_dict() == {"dev": 132, "test": 184}
    first = table.iloc[0]
    assert first["path"].endswith("video_level/val/rgb_front/raw_videos/-d5dN54tH2E-1-rgb_front.mp4")
    assert (first["start_s"], first["end_s"]) == (12.97, 19.52)
