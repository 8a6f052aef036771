"""Tables that users make, as spreadsheets and scripts write them."""

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


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", b"path,words\n", r"t\.csv: no column text; it has path, words"),
        ("t.csv", b"path,text,TEXT\n", r"t\.csv: column text occurs twice"),
        ("t.csv", b'path,text\nx,"a\nb\n', r"t\.csv:2: a quotation mark is opened here and never closed"),
        ("t.csv", b"path,text\nx,\xfc\n", r"t\.csv is not UTF-8"),
        ("t.parquet", b"PAR1", r"t\.parquet is not a readable Parquet file"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(TableError, match=message):
        read(tmp_path / name)
