"""Annotation files of one row a line, whatever their lines hold."""

import numpy as np
import pytest

from seds.corpora.readers import delimited
from seds.tables import TableError

COLUMNS = ("name", "text")


def written(tmp_path, content: bytes):
    (tmp_path / "a.csv").write_bytes(content)
    return tmp_path / "a.csv"


def test_fields_by_column_with_their_line(tmp_path):
    file = written(tmp_path, b'\xef\xbb\xbfname|text\r\na|one\r\n\r\n  \nb|two\nc|"three')
    rows = list(delimited.read(file, "|", ("other",), COLUMNS))
    assert [row.fields for row in rows] == [
        {"name": "a", "text": "one"},
        {"name": "b", "text": "two"},
        {"name": "c", "text": '"three'},
    ]
    assert [row.line for row in rows] == [f"{file}:2", f"{file}:5", f"{file}:6"]
    assert not any(row.problem for row in rows)


def test_quotation_marks_are_only_read_where_the_format_has_them(tmp_path):
    file = written(tmp_path, b'name\ttext\na\t"He said ""no"",\ttwice"\nb\tit is 5" long\nc\t"open\nd\t"so" it goes\n')
    rows = list(delimited.read(file, "\t", COLUMNS, quoted=True))
    assert [row.fields["text"] for row in rows] == ['He said "no",\ttwice', 'it is 5" long', "", ""]
    assert [bool(row.problem) for row in rows] == [False, False, True, True]
    assert 'a.csv:4: unexpected end of data; is a quotation mark not closed? c\\t"open' in rows[2].problem


def test_line_with_too_few_or_too_many_fields_is_read(tmp_path):
    rows = list(delimited.read(written(tmp_path, b"name|text\na\nb|c|d\n"), "|", COLUMNS))
    assert [row.fields for row in rows] == [{"name": "a", "text": ""}, {"name": "b", "text": "c"}]
    assert [row.problem.split(": ", 1)[1] for row in rows] == [
        "expected 2 fields separated by '|', got 1: a",
        "expected 2 fields separated by '|', got 3: b|c|d",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"a\.csv:1: expected the columns name, text, separated by '\|'; got $"),
        (b"a|b\n", r"a\.csv:1: expected the columns name, text, .*; got a, b$"),
        ("name|text\na|b\n".encode("utf-16"), r"a\.csv:1: is not UTF-8: invalid start byte at byte 0"),
    ],
)
def test_a_file_of_another_format_is_named(tmp_path, content, message):
    with pytest.raises(TableError, match=message):
        list(delimited.read(written(tmp_path, content), "|", COLUMNS))


def test_a_file_that_cannot_be_opened_is_named(tmp_path):
    with pytest.raises(TableError, match="cannot be read: Is a directory"):
        list(delimited.read(tmp_path, "|", COLUMNS))


@pytest.mark.parametrize("quoted", [False, True])
def test_every_line_is_a_row_whatever_its_bytes(tmp_path, quoted):
    generator = np.random.default_rng(0)
    alphabet = np.frombuffer(b'ab"|\t\r \x00\xc3\xbc\xff\xe2\x80\xa8\xf0\x9f', np.uint8)
    lines = [generator.choice(alphabet, generator.integers(0, 30)).tobytes() for _ in range(3000)]
    file = written(tmp_path, b"\n".join([b"name|text", *lines]))
    rows = list(delimited.read(file, "|", COLUMNS, quoted=quoted))
    assert len(rows) == sum(bool(line.strip()) for line in lines)
    assert all(tuple(row.fields) == COLUMNS for row in rows)
    assert 0 < sum(not row.problem for row in rows) < len(rows)
