"""Tables that users make, as spreadsheets and scripts write them."""

import gzip

import pandas as pd
import pytest

from seds.corpora.readers import sheets
from seds.tables import TableError


def read(file):
    return list(sheets.read(file, ["path", "text"], ["signer"]))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_csv_is_read_whatever_separates_its_fields(tmp_path, delimiter, start):
    lines = ["Text|path |year", '"a ""b"", |\nc"|x.mp4|1999', "", "| |", "Grüße|y.mp4|"]
    (tmp_path / "t.csv").write_bytes((start + "\r\n".join(lines).replace("|", delimiter)).encode())
    assert read(tmp_path / "t.csv") == [
        {"text": f'a "b", {delimiter}\nc', "path": "x.mp4"},
        {"text": "Grüße", "path": "y.mp4"},
    ]


def test_row_with_other_fields_than_the_header_is_a_problem(tmp_path):
    (tmp_path / "t.csv").write_text("path,text,problem\nx.mp4,a,none\ny.mp4\nz.mp4,b,,c\n")
    sound, short, long = read(tmp_path / "t.csv")
    assert sound == {"path": "x.mp4", "text": "a"}
    assert short["path"] == "y.mp4"
    assert "t.csv:3: 1 fields, expected 3" in short["problem"]
    assert "t.csv:4: 4 fields, expected 3" in long["problem"]


def test_parquet_gives_the_same_texts_with_nothing_for_null(tmp_path):
    table = {"path": ["x.mp4", "y.mp4"], "text": ["a", None], "signer": [7.0, None], "year": [1, 2]}
    pd.DataFrame(table).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet") == [
        {"path": "x.mp4", "text": "a", "signer": "7"},
        {"path": "y.mp4", "text": "", "signer": ""},
    ]


def rows_of(path, lines, delimiter=","):
    path.write_text("\n".join(lines).replace("|", delimiter) + "\n")
    return [row["text"] for row in read(path)]


SAID = ['"Come here,', "she said to the dog,", 'and sit down."']


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    "texts",
    [
        ["Rain.", *SAID, "Snow."],
        SAID,
        ['"Come here," she said.', "Rain."],
        ['"Stop', '"12"" inch'],
        ['Cat "', '"', '"12" inch', '"open'],
    ],
)
def test_tsv_of_unbalanced_quotes_is_read_without_quoting(tmp_path, texts, order):
    lines = ["|".join((f"{i}.mp4", text)[::order]) for i, text in enumerate(texts)]
    assert rows_of(tmp_path / "t.tsv", ["|".join(("path", "text")[::order]), *lines], "\t") == texts


def test_tsv_whose_marks_hide_a_column_is_read_without_quoting(tmp_path):
    lines = ["path|text|signer", 'a.mp4|"Come|Bob "B"', 'b.mp4|"Well""|"C"', 'c.mp4|"x|y"']
    (tmp_path / "t.tsv").write_text("\n".join(lines).replace("|", "\t"))
    assert [(row["text"], row["signer"]) for row in read(tmp_path / "t.tsv")] == [
        ('"Come', 'Bob "B"'),
        ('"Well""', '"C"'),
        ('"x', 'y"'),
    ]


def test_tsv_whose_header_is_quoted_is_read_with_quoting(tmp_path):
    lines = ['"path"|"text"', '"a.mp4"|"12" inch"', '"b.mp4"|"Rain"']
    assert rows_of(tmp_path / "t.tsv", lines[::2], "\t") == ["Rain"]
    (tmp_path / "t.tsv").write_text("\n".join(lines).replace("|", "\t"))
    odd, sound = read(tmp_path / "t.tsv")
    assert "t.tsv:2: '\\t' expected after" in odd["problem"]
    assert sound == {"path": "b.mp4", "text": "Rain"}


def test_tsv_of_balanced_quotes_is_read_with_quoting(tmp_path):
    assert rows_of(tmp_path / "t.tsv", ["path|text", 'a.mp4|"one\ntwo"', 'b.mp4|"say ""no"""'], "\t") == [
        "one\ntwo",
        'say "no"',
    ]


@pytest.mark.parametrize(
    ("lines", "where"),
    [
        (["path,text", '0.mp4,"12"" inch', "1.mp4,Dog", '2.mp4,Cat "'], "2-4"),
        (["path,text", "0.mp4,Dog", '1.mp4,"12"" inch', '2.mp4,Cat "'], "3-4"),
        (["text,path", '"12"" inch,0.mp4', "Dog,1.mp4", 'Cat ",2.mp4'], "2-4"),
        (["path,text", '"0.mp4","Hello', '"1.mp4","Dog"', '"2.mp4","Cat"'], "2-3"),
        (["path,text", '0.mp4,"Come, dear,', "1.mp4,dog, and", '2.mp4,sit" down'], "2-4"),
        (["path,text,signer", '0.mp4,"Come,ann', '1.mp4,"Sit",ben'], "2-3"),
        (["sep=,", "path,text", '0.mp4,"12"" inch', '2.mp4,Cat "'], "3-4"),
        (["path,text", 'ann,"12"" inch', "ben,Dog", 'cleo,Cat "'], "2-4"),
        (["path,text", 'ann,"12"" inch', 'ben,"Dog, or cat"', 'cleo,"Cat"'], "2-3"),
        (["text;path", '"12"" inch;ann', "Dog;my ben", 'Cat ";cleo'], "2-4"),
        (["path,text,signer", 'ann,"12"" inch,eve', "ben,Dog,eve", 'cleo,Cat ",eve'], "2-4"),
    ],
)
def test_quotation_mark_that_swallows_rows_names_their_lines(tmp_path, lines, where):
    with pytest.raises(TableError, match=rf"t\.csv:{where}: .*several rows"):
        rows_of(tmp_path / "t.csv", lines)


def test_text_of_several_lines_with_commas_is_one_row(tmp_path):
    lines = ["path,text", '0.mp4,"I came,\nI saw, and left.\n12, 13"', '1.mp4,"Well, well,\r\nwell, well"']
    assert rows_of(tmp_path / "t.csv", lines) == ["I came,\nI saw, and left.\n12, 13", "Well, well,\r\nwell, well"]
    (tmp_path / "t.csv").write_bytes(b'text,path\n"It is, a.mp4 or not,\r\nall",x.mp4\n')
    assert read(tmp_path / "t.csv") == [{"text": "It is, a.mp4 or not,\r\nall", "path": "x.mp4"}]


@pytest.mark.parametrize("columns", ["path,text,signer,split", "text,signer,path,split", "split,path,signer,text"])
def test_text_of_several_lines_beside_other_columns_is_one_row(tmp_path, columns):
    row = {"path": "a_1.mp4", "text": '"Well, well,\nb, c,\nd, and, e_1, f, g"', "signer": "v_01", "split": "train"}
    (tmp_path / "t.csv").write_text("\n".join([columns, ",".join(row[name] for name in columns.split(","))]))
    (found,) = sheets.read(tmp_path / "t.csv", ["path", "text"], ["signer"], {"path": {"a_1.mp4", "f"}.__contains__})
    assert found == {"path": "a_1.mp4", "text": row["text"].strip('"'), "signer": "v_01"}


def test_rows_are_told_from_lines_by_the_videos_there_are(tmp_path):
    (tmp_path / "t.csv").write_text('path, text\nann,"12"" inch\nben, Dog\ncleo, Cat "\n')
    known = {"path": {"ann", "ben", "cleo"}.__contains__}
    assert len(read(tmp_path / "t.csv")) == 1  # "ben, Dog" may be the line of a text
    with pytest.raises(TableError, match=r"t\.csv:2-4"):
        list(sheets.read(tmp_path / "t.csv", ["path", "text"], [], known))


def test_text_behind_a_mark_in_a_later_line_names_all_lines(tmp_path):
    (tmp_path / "t.csv").write_text('path,text\nann,"Well,\nsaid she, "no" and left\nben,Dog\n')
    odd, sound = read(tmp_path / "t.csv")
    assert "t.csv:2-3: ',' expected after" in odd["problem"]
    assert sound == {"path": "ben", "text": "Dog"}


def test_long_field_is_read(tmp_path):
    assert rows_of(tmp_path / "t.csv", ["path,text", f'a.mp4,"{"x" * 200_000}"']) == ["x" * 200_000]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"path,words\n", r"t\.csv: no column text; it has path, words"),
        ("t.csv", b"path,text,TEXT\n", r"t\.csv: column text occurs twice"),
        ("t.csv", b'path,text\nx,"a\nb\n', r"t\.csv:2: a quotation mark is opened here and never closed"),
        ("t.csv", b"path,text\nx,\x8d\n", r"t\.csv is not text: it is neither UTF-8 .* in line 2"),
        ("t.parquet", b"PAR1", r"t\.parquet is not a readable Parquet file"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message):
        read(tmp_path / name)


def test_packed_csv_beyond_bounds_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sheets, "MOST_BYTES", 1_000_000)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"path,text\n" + bytes(2_000_000)))
    with pytest.raises(TableError, match="more than the 1,000,000 bytes"):
        read(tmp_path / "t.csv.gz")
