"""Your own videos: tables as people make them, and what becomes of each row."""

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pandas as pd
import pytest
from helpers import hostile
from helpers.films import film
from hypothesis import given, settings
from hypothesis import strategies as st

from seds import tables
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.readers import folder

FOLDER = Dataset(corpus="folder")
COLUMNS = ("path", "text", "video_id", "sentence_id", "split", "start_s", "end_s", "signer", "bbox", "language", "fps")


def write(root: Path, text: str, name: str = "videos.csv", encoding: str = "utf-8") -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(text.encode(encoding))
    return root


def read(root: Path, dataset: Dataset = FOLDER) -> pd.DataFrame:
    return tables.check(folder.read_annotations(root, dataset), tables.ANNOTATIONS, root)


@pytest.mark.parametrize(
    "text",
    [
        "path,text\nclips/a.mp4,Rain falls.\nclips/b.mp4,Snow.\n",
        "path,text\r\nclips/a.mp4,Rain falls.\r\nclips/b.mp4,Snow.\r\n",
        "\ufeffpath,text\r\nclips/a.mp4,Rain falls.\r\nclips/b.mp4,Snow.",
        "text;path\nRain falls.;clips/a.mp4\nSnow.;clips/b.mp4\n",
        "path|text\nclips/a.mp4|Rain falls.\nclips/b.mp4|Snow.\n",
        "Path \t Text\nclips/a.mp4\tRain falls.\nclips/b.mp4\tSnow.\n",
        '"path","text"\n"clips/a.mp4","Rain falls."\n\n"clips/b.mp4","Snow."\n,\n',
    ],
)
def test_tables_of_every_make_are_read_alike(tmp_path, text):
    table = read(write(tmp_path, text))
    assert table["path"].tolist() == [f"{tmp_path}/clips/a.mp4", f"{tmp_path}/clips/b.mp4"]
    assert table["text"].tolist() == ["Rain falls.", "Snow."]
    assert table["video_id"].tolist() == ["clips/a.mp4", "clips/b.mp4"]
    assert (table["problem"] == "").all()
    assert table["language"].tolist() == ["en", "en"]


def test_parquet_gives_what_the_same_csv_gives(tmp_path):
    rows = pd.DataFrame(
        {
            "path": ["a.mp4", "b.mp4", "c"],
            "text": ["Rain falls.", "Snow.", None],
            "split": ["train", "val", "TEST"],
            "signer": [7, 8, None],
            "start_s": [None, 1.5, 2.0],
            "end_s": [None, 2.5, None],
            "fps": [None, None, 25.0],
            "bbox": ["", "0,0,10,10.5", None],
        }
    )
    (tmp_path / "p").mkdir()
    rows.to_parquet(tmp_path / "p/videos.parquet")
    (tmp_path / "c").mkdir()
    rows.astype({"signer": "Int64"}).to_csv(tmp_path / "c/videos.csv", index=False)
    parquet, text = read(tmp_path / "p"), read(tmp_path / "c")
    pd.testing.assert_frame_equal(parquet.drop(columns="path"), text.drop(columns="path"))
    assert parquet["split"].tolist() == ["train", "dev", "test"]
    assert parquet["signer"].tolist() == ["7", "8", ""]
    assert parquet["bbox"].tolist() == ["", "0,0,10,10.5", ""]
    assert parquet["video_id"].tolist() == ["a.mp4", "b.mp4 1.5-2.5", "c 2-"]
    assert (parquet["problem"] == "").all()


def test_parquet_index_of_pandas_is_read(tmp_path):
    rows = pd.DataFrame({"path": ["a", "b", "c"], "text": list("xyz"), "split": ["test", "train", "dev"], "n": 1})
    rows.astype({"split": "category"}).set_index(["split", "n"]).to_parquet(tmp_path / "videos.parquet")
    assert read(tmp_path)["split"].tolist() == ["test", "train", "dev"]


def test_parquet_folder_as_spark_writes_it_is_read(tmp_path):
    for split in ("train", "dev", "test"):
        part = tmp_path / f"videos.parquet/split={split}/part-0.snappy.parquet"
        part.parent.mkdir(parents=True)
        pd.DataFrame({"path": [f"{split}.mp4"], "text": [split]}).to_parquet(part)
    (tmp_path / "videos.parquet/_SUCCESS").touch()
    (tmp_path / "videos.parquet/.part.crc").write_bytes(b"crc")
    table = read(tmp_path).set_index("split")
    assert table["path"].to_dict() == {split: f"{tmp_path}/{split}.mp4" for split in ("train", "dev", "test")}
    (tmp_path / "videos.parquet/split=dev/notes.txt").write_text("not a table")
    with pytest.raises(tables.TableError, match="is not a readable Parquet file"):
        read(tmp_path)


def test_minimal_pairs_are_read_and_optional(tmp_path):
    table = read(write(tmp_path, "path,text,pair,contrast\na,Red?, 7 ,brows\nb,Red.,7,brows\nc,Blue.,,\n"))
    assert table[["pair", "contrast"]].to_numpy().tolist() == [["7", "brows"], ["7", "brows"], ["", ""]]


def test_what_looks_like_no_value_is_text(tmp_path):
    assert read(write(tmp_path, "path,text\na,NA\nb,null\nc,nan\n"))["text"].tolist() == ["NA", "null", "nan"]


def test_text_is_one_line_of_nfc_and_the_original_stays(tmp_path):
    table = read(write(tmp_path, 'path,text\na,"  e\u0301te\u0301\n\tici "\n'))
    assert table.loc[0, "text"] == "\u00e9t\u00e9 ici"
    assert table.loc[0, "text_original"] == "  e\u0301te\u0301\n\tici "


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("a.mp4,x,train,later,,", "start_s 'later': expected a number of at least 0"),
        ("a.mp4,x,train,-1,,", "start_s '-1'"),
        ("a.mp4,x,train,nan,,", "start_s 'nan'"),
        ("a.mp4,x,train,5,4,", "start_s 5 is not before end_s 4"),
        ("a.mp4,x,validate,,,", "split 'validate': expected train, dev, test"),
        ("a.mp4,x,,,,", "split ''"),
        (",x,train,,,", "path is empty"),
        ('a.mp4,x,train,,,"1,2,3"', "bbox '1,2,3'"),
        ('a.mp4,x,train,,,"9,9,1,1"', "bbox '9,9,1,1'"),
        ("a.mp4,x,y,train,,,", r"videos.csv:3: 7 fields, expected 6; a text with ',' in it"),
        ("a.mp4", r"videos.csv:3: 1 fields, expected 6"),
        ('a.mp4,"x" y,train,,,', "videos.csv:3: .*expected after"),
    ],
)
def test_row_that_makes_no_sense_stays_and_costs_only_itself(tmp_path, row, problem):
    head, good = "path,text,split,start_s,end_s,bbox\n", 'b.mp4,fine,test,1,2,"0,0,5,5"\n'
    table = read(write(tmp_path, f"{head}{good}{row}\n{good}"))
    assert len(table) == 3
    assert table["problem"].tolist()[::2] == ["", ""]
    assert pd.Series(table["problem"][1]).str.contains(problem, regex=True).all(), table["problem"][1]


def test_no_row_is_lost_to_a_quotation_over_rows(tmp_path):
    texts = ["Rain.", '"Come here,', "she said to the dog,", 'and sit down."', "Snow."]
    for name in ("ann", "ben", "cleo", "dora", "emil"):  # folders of frames, whose names could be words
        (tmp_path / name).mkdir()
    names = ["ann", "ben", "cleo", "dora", "emil"]
    rows = list(zip(names, texts, strict=True))
    write(tmp_path, "path\ttext\n" + "".join(f"{name}\t{text}\n" for name, text in rows), "videos.tsv")
    assert read(tmp_path)["text"].tolist() == texts
    (tmp_path / "videos.tsv").unlink()
    write(tmp_path, 'path,text\nann,Rain.\nben,"12"" inch\ncleo,Dog\ndora,Cat "\nemil,Snow.\n')
    with pytest.raises(tables.TableError, match=r"videos\.csv:3-5: a quotation mark"):
        read(tmp_path)


def test_compressed_csv_and_a_named_delimiter_are_read(tmp_path):
    text = "sep=|\r\npath|text|signer\r\na.mp4|Rain, sun; snow|ann\r\n"
    for name, content in (("videos.csv", text.encode()), ("videos.csv.gz", gzip.compress(text.encode("utf-8-sig")))):
        (tmp_path / name).write_bytes(content)
        assert read(tmp_path)[["video_id", "text", "signer"]].to_numpy().tolist() == [
            ["a.mp4", "Rain, sun; snow", "ann"]
        ]
        (tmp_path / name).unlink()
    (tmp_path / "videos.csv.gz").write_bytes(gzip.compress(text.encode())[:-9])
    with pytest.raises(tables.TableError, match=r"videos\.csv\.gz is not a whole gzip file"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("video,sentence\na,b\n", r"videos\.csv: no column path and no column text; it has video, sentence"),
        ("", "no column path"),
        ("path,text,Text\na,b,c\n", "column text occurs twice"),
        ('path,text\na,b\nc,"open\nd,e\n', r"videos\.csv:3: a quotation mark is opened here and never closed"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, text, problem):
    with pytest.raises(tables.TableError, match=problem):
        read(write(tmp_path, text))


def test_windows_encoding_is_guessed_and_said(tmp_path, caplog):
    table = read(write(tmp_path, "path,text\na,L\u2019\u00e9t\u00e9 vient.\n", encoding="cp1252"))
    assert table["text"].tolist() == ["L\u2019\u00e9t\u00e9 vient."]
    assert "is not UTF-8; read as Windows-1252, with a,L\u2019\u00e9t\u00e9 in it" in caplog.text


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf16_is_read_with_and_without_its_mark(tmp_path, encoding):
    texts = ["\u00e9t\u00e9 \u4eca", "\u4eca\u5929" * 1000]
    rows = "".join(f"{i}\t{text}\r\n" for i, text in enumerate(texts))
    for order in (1, -1):
        table = read(write(tmp_path, f"path\ttext\r\n{rows}", encoding=encoding))
        assert table["text"].tolist() == texts[::order]
        rows = "".join(f"{i}\t{text}\r\n" for i, text in enumerate(texts[::-1]))


@pytest.mark.parametrize("content", ["a,\u00e9t\u00e9\n".encode() + b"b,\xe9t\xe9\n", b"a,\x81\n", b"a,\xe9\0\n"])
def test_bytes_of_no_certain_encoding_are_named(tmp_path, content):
    (tmp_path / "videos.csv").write_bytes(b"path,text\n" + content)
    with pytest.raises(tables.TableError, match=r"videos\.csv is not text: .* at byte \d+, in line [23]\)"):
        read(tmp_path)


def test_columns_have_capitals_and_spaces(tmp_path, caplog):
    caplog.set_level("INFO")
    table = read(write(tmp_path, "PATH,Text,Video ID,Start (S),end-s\na,x,v,1,2\n"))
    assert table[["video_id", "start_s", "end_s"]].to_numpy().tolist() == [["v", 1, 2]]
    assert "column start (s) is read as start_s" in caplog.text
    assert read(write(tmp_path, "path,text,video_id,Video ID\na,x,v,w\n"))["video_id"].tolist() == ["v"]


def test_decimal_commas_are_read_and_said(tmp_path, caplog):
    caplog.set_level("INFO")
    rows = ["a;x;0,5;1,25;", 'a;y;2;1234,567;"0,5;1;20,5;30"']
    table = read(write(tmp_path, "\n".join(["path;text;start_s;end_s;bbox", *rows])))
    assert table[["start_s", "end_s"]].to_numpy().tolist() == [[0.5, 1.25], [2, 1234.567]]
    assert table["bbox"].tolist() == ["", "0.5,1,20.5,30"]
    assert "videos.csv: end_s: 2 values such as 1,25 read as 1.25" in caplog.text
    assert (table["problem"] == "").all()


def test_commas_that_may_part_thousands_are_not_guessed(tmp_path):
    table = read(write(tmp_path, 'path,text,end_s\na,x,3.5\nb,y,"1,234"\n'))
    assert table["problem"][1].startswith("end_s '1,234': expected a number")


@pytest.mark.parametrize(("given", "seconds"), [("00:00:14.100", 14.1), ("1:02:03,5", 3723.5), ("01:30", 90)])
def test_times_of_a_clock_are_seconds(tmp_path, caplog, given, seconds):
    caplog.set_level("INFO")
    table = read(write(tmp_path, f"path\ttext\tend_s\na\tx\t{given}\n", "videos.tsv"))
    assert table["end_s"].tolist() == [seconds]
    assert f"end_s: 1 value such as {given} read as {seconds:g} s" in caplog.text


def test_paths_of_windows_are_found(tmp_path, caplog):
    caplog.set_level("INFO")
    for name in ("clips/a.mp4", "clips/b.mp4", r"odd\c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    rows = [r"clips\a.mp4", r"C:\Users\me\clips\b.mp4", r"odd\c.mp4", r"D:\gone\d.mp4", r"..\..\x.mp4", r"C:\..\..\e"]
    table = read(write(tmp_path, "path,text\n" + "".join(f"{path},x\n" for path in rows)))
    ends = ["clips/a.mp4", "clips/b.mp4", r"odd\c.mp4", "D:/gone/d.mp4", "../../x.mp4", "C:/../../e"]
    assert table["path"].tolist() == [f"{tmp_path}/{end}" for end in ends]
    assert "path: 5 values such as clips\\a.mp4 read as clips/a.mp4" in caplog.text
    assert table["video_id"][0] == "clips/a.mp4"
    videos = prepare.complete("x", prepare.read_annotations(FOLDER, tmp_path))
    assert videos["status"].tolist()[3:] == ["missing", "refused", "refused"]


def test_splits_have_the_names_that_others_give_them(tmp_path, caplog):
    caplog.set_level("INFO")
    names = [
        "TRAIN",
        "Training set",
        "trn",
        "validation",
        "val",
        "valid",
        "development",
        "testing",
        "Test Split",
        "tst",
    ]
    table = read(write(tmp_path, "path,text,split\n" + "".join(f"{i},x,{name}\n" for i, name in enumerate(names))))
    assert table["split"].tolist() == ["train"] * 3 + ["dev"] * 4 + ["test"] * 3
    assert "split: 10 values such as TRAIN read as train" in caplog.text
    assert read(write(tmp_path, "path,text,split\na,x,eval\n"))["problem"][0].startswith("split 'eval'")


def test_which_table_is_meant(tmp_path):
    with pytest.raises(tables.TableError, match=r"expected one of videos\.csv, .*found none of them"):
        read(tmp_path)
    write(tmp_path, "path,text\na,one\n")
    write(tmp_path, "path\ttext\na\ttwo\n", "videos.tsv")
    with pytest.raises(tables.TableError, match=r"found .*videos\.csv and .*videos\.tsv"):
        read(tmp_path)
    write(tmp_path / "lists", "path,text\na,three\n", "mine.csv")
    named = read(tmp_path, Dataset(corpus="folder", annotations="lists/mine.csv"))
    assert named["path"].tolist() == [f"{tmp_path}/lists/a"]
    with pytest.raises(tables.TableError, match=r"annotations: '\.\./x\.csv' is outside"):
        read(tmp_path, Dataset(corpus="folder", annotations="../x.csv"))
    with pytest.raises(tables.TableError, match=r"none\.csv not found; params.yaml names it"):
        read(tmp_path, Dataset(corpus="folder", annotations="none.csv"))


def test_videos_of_equal_words_are_one_sentence_without_ids(tmp_path):
    ids = read(write(tmp_path, "path,text\na,Rain falls.\nb,rain  falls\nc,Snow falls.\nd,\ne,\n"))["sentence_id"]
    assert ids[0] == ids[1]
    assert ids.nunique() == 4  # a video without text is a sentence by itself
    ids = read(write(tmp_path, "path,text,sentence_id\na,Rain.,s1\nb,Rain.,s2\nc,Snow.,s1\n"))["sentence_id"]
    assert ids.tolist() == ["s1", "s2", "s1"]


def test_ids_of_cuts_tell_milliseconds_apart(tmp_path):
    lines = [
        "path,text,start_s,end_s",
        "a.mp4,x,3661.123,3662",
        "a.mp4,x,3661.1239,3662.5",
        "a.mp4,y,1234567.1,",
        "b,z,,2.50",
    ]
    table = read(write(tmp_path, "\n".join([*lines, "b,z,3661.1239,3661.123"])))
    assert table["video_id"].tolist()[:4] == [
        "a.mp4 3661.123-3662",
        "a.mp4 3661.1239-3662.5",
        "a.mp4 1234567.1-",
        "b -2.5",
    ]
    assert table["problem"][4] == "start_s 3661.1239 is not before end_s 3661.123"


@pytest.mark.parametrize("value", [0.1 + 0.2, 1.5, 12.0, 100.25, 9999.5, 0.0, 0.04])
def test_ids_of_cuts_stay_where_six_digits_said_them(tmp_path, value):
    assert read(write(tmp_path, f"path,text,end_s\na,x,{value + 1!r}\n"))["video_id"][0] == f"a -{value + 1:g}"


@pytest.mark.parametrize(
    ("given", "code"),
    [("EN", "en"), ("en-US", "en"), ("en_GB.UTF-8", "en"), ("eng", "en"), ("English", "en"), ("ger", "de"),
     ("deu-AT", "de"), ("zh-Hant-TW", "zh"), ("cmn", "zh"), ("ase", "ase"), ("", "en")],
)  # fmt: skip
def test_languages_are_known_by_their_other_names(tmp_path, given, code):
    assert read(write(tmp_path, f"path,text,language\na,x,{given}\n"))["language"].tolist() == [code]


def test_table_of_another_kind_is_named(tmp_path):
    (tmp_path / "Videos.numbers").write_bytes(b"PK\x03\x04")
    with pytest.raises(tables.TableError, match=r"found none of them but Videos\.numbers, .*save it as CSV UTF-8"):
        read(tmp_path)


BLANKS = [" ", "   ", "\u00a0", "\u3000", "\u2009", "\u200b", "\ufeff", "\x0b"]


@pytest.mark.parametrize("blank", [*BLANKS, "\t"])
def test_white_space_around_fields_is_no_part_of_them(tmp_path, blank):
    lines = [
        "path,_text,_split,_signer,_start,_end,_bbox,_language_",
        '0.mp4,_"Dog"_,_train,_ann,_0.5,_1.5,_"0,_0,_32,_32"_,_EN_',
        '_"1.mp4",_"Hello, there",_dev_,_"ann",_1,_2,"0,0,32,32",_en',
        '2.mp4_,"say ""no""",test,ann_,1_,2_,,_',
    ]
    text = "\n".join(lines).replace("_", blank).replace("start", "start_s").replace("end", "end_s")
    table = read(write(tmp_path, text))
    assert table["problem"].tolist() == [""] * 3
    assert table["path"].tolist() == [f"{tmp_path}/{i}.mp4" for i in range(3)]
    assert table["video_id"].tolist() == ["0.mp4 0.5-1.5", "1.mp4 1-2", "2.mp4 1-2"]
    assert table["text"].tolist() == ["Dog", "Hello, there", 'say "no"']
    assert table["split"].tolist() == ["train", "dev", "test"]
    assert table[["signer", "language"]].drop_duplicates().to_numpy().tolist() == [["ann", "en"]]
    assert table["bbox"].tolist() == ["0,0,32,32", "0,0,32,32", ""]


def test_white_space_that_is_part_of_a_name_on_the_disk_stays(tmp_path):
    (tmp_path / " a.mp4").touch()
    assert read(write(tmp_path, 'path,text\n" a.mp4",x\n" b.mp4",y\n'))["path"].tolist() == [
        f"{tmp_path}/ a.mp4",
        f"{tmp_path}/b.mp4",
    ]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return film(tmp_path_factory.mktemp("film") / "clip.mp4")


ROWS = st.lists(
    st.fixed_dictionaries(
        {"path": hostile.paths, "text": hostile.texts},
        optional={
            "video_id": hostile.names, "sentence_id": hostile.names, "signer": hostile.names, "language": hostile.names,
            "split": st.sampled_from(("train", "dev", "test", "val", "Train", "none", "")),
            "start_s": st.sampled_from(("", "0", "0.5", "-1", "1e999", "x")),
            "end_s": st.sampled_from(("", "0.4", "0", "nan", "9")),
            "bbox": st.sampled_from(("", "0,0,10,10", "0,0,1e9,10", "1,2,3", "inf,0,1,1")),
            "fps": st.sampled_from(("", "25", "0", "-3", "fast")),
        },
    ),
    min_size=1,
    max_size=8,
)  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=ROWS, delimiter=st.sampled_from(",;\t"), line_end=st.sampled_from(("\n", "\r\n")), mark=st.booleans())
def test_nothing_vanishes_from_a_hostile_csv(clip, rows, delimiter, line_end, mark):
    file = io.StringIO(newline="")
    writer = csv.DictWriter(file, COLUMNS, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    blank = sum(not any(value.strip() for value in row.values()) for row in rows)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        hostile.make_folder(root, clip)
        write(root, file.getvalue(), encoding="utf-8-sig" if mark else "utf-8")
        hostile.assert_nothing_vanishes(root, FOLDER, len(rows) - blank)


@pytest.mark.slow
@settings(max_examples=20, deadline=None)
@given(rows=ROWS)
def test_nothing_vanishes_from_a_hostile_parquet(clip, rows):
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        hostile.make_folder(root, clip)
        pd.DataFrame(rows, columns=list(COLUMNS)).to_parquet(root / "videos.parquet")
        hostile.assert_nothing_vanishes(root, FOLDER, len(rows))


@pytest.mark.parametrize("path", hostile.PATHS)
def test_a_name_never_leads_out_of_the_corpus(tmp_path, clip, path):
    hostile.make_folder(tmp_path / "corpus", clip)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_bytes(clip.read_bytes())  # a sound video, were it opened
    pd.DataFrame({"path": [path], "text": ["x"]}).to_parquet(tmp_path / "corpus/videos.parquet")
    videos = hostile.assert_nothing_vanishes(tmp_path / "corpus", FOLDER, 1)
    sound = {"good.mp4", "clips/../good.mp4", "./good.mp4", "e\u0301.mp4", "\u00e9.mp4"}
    assert (videos["status"][0] == "ok") == (path in sound), videos.iloc[0]
    if "etc/passwd" in path and not path.startswith("file"):
        assert videos["status"][0] == "refused"


def test_a_corpus_may_be_a_link_and_hold_links(tmp_path, clip):
    hostile.make_folder(tmp_path / "disk", clip)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/far.mp4").write_bytes(clip.read_bytes())
    (tmp_path / "disk/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus").symlink_to(tmp_path / "disk")
    absolute = tmp_path / "disk/good.mp4"
    write(
        tmp_path / "corpus", f"path,text\ngood.mp4,a\nlinked/far.mp4,b\n{absolute},c\n{tmp_path}/elsewhere/far.mp4,d\n"
    )
    videos = prepare.prepare("x", FOLDER, tmp_path / "corpus")
    assert videos["status"].tolist() == ["ok", "ok", "ok", "refused"]
    assert videos["path"][2] == f"{tmp_path}/corpus/good.mp4"
    assert "link it there" in videos["detail"][3]
