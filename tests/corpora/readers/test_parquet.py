"""Parquet as pandas, Polars, Spark and databases write it."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seds.corpora.readers import sheets
from seds.tables import TableError


def read(tmp_path, **columns):
    rows = {"path": ["a.mp4", "b.mp4", "c.mp4"], "text": ["x", "y", "z"], **columns}
    pq.write_table(pa.table(rows), tmp_path / "t.parquet")
    return list(sheets.read(tmp_path / "t.parquet", ["path", "text"], ["signer"]))


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pa.array(["ann", None, ""]), ["ann", "", ""]),
        (pa.array(["ann", None, "ann"], pa.large_string()).dictionary_encode(), ["ann", "", "ann"]),
        (pa.array(["ann", None, "é"], pa.string_view()), ["ann", "", "é"]),
        (pa.array([9007199254740993, None, 7]), ["9007199254740993", "", "7"]),
        (pa.array([2**64 - 1, 0, None], pa.uint64()), ["18446744073709551615", "0", ""]),
        (pa.array([7.0, None, 0.25]), ["7", "", "0.25"]),
        (pa.array(np.array([0.1, np.nan, -2], np.float32)), ["0.1", "", "-2"]),
        (pa.array([Decimal("1.50"), None, Decimal("-3000000.00")]), ["1.50", "", "-3000000.00"]),
        (pa.array([Decimal("7"), None, Decimal("1E+3")], pa.decimal128(38, 0)), ["7", "", "1000"]),
        (pa.array([7, None, 8]).dictionary_encode(), ["7", "", "8"]),
        (pa.array([True, False, None]), ["True", "False", ""]),
        (pa.nulls(3), ["", "", ""]),
    ],
)
def test_parquet_types_that_text_can_hold_are_read(tmp_path, values, texts):
    assert [row["signer"] for row in read(tmp_path, signer=values)] == texts


UNREAD = [
    (pa.array([["DOG", "ASLEEP"], None, []]), "list<"),
    (pa.array([b"ann", None, b"\xff"]), "binary"),
    (pa.array([0, 1, None], pa.timestamp("ms")), "timestamp"),
    (pa.array([0, 1, None], pa.date32()), "date32"),
    (pa.array([0, 1, None], pa.duration("s")), "duration"),
    (pa.array([{"name": "ann"}, None, None]), "struct<"),
]


@pytest.mark.parametrize(("values", "kind"), UNREAD)
def test_parquet_column_of_another_type_is_named(tmp_path, values, kind):
    with pytest.raises(TableError, match=rf"t\.parquet: column 'signer' is {kind}.*; expected text, numbers or truth"):
        read(tmp_path, signer=values)


@pytest.mark.parametrize(("values", "kind"), UNREAD)
def test_parquet_column_that_nobody_reads_may_hold_anything(tmp_path, values, kind):
    assert [row["text"] for row in read(tmp_path, gloss=values)] == ["x", "y", "z"]


def test_parquet_columns_that_pandas_knows_are_left_alone(tmp_path):
    table = pd.DataFrame({"Path": ["a.mp4"], " TEXT ": ["x"], "span": pd.IntervalIndex.from_tuples([(0, 1)])})
    table["month"] = pd.period_range("2020-01", periods=1, freq="M")
    table.to_parquet(tmp_path / "t.parquet")
    assert list(sheets.read(tmp_path / "t.parquet", ["path", "text"], [])) == [{"path": "a.mp4", "text": "x"}]
    columns = [pa.array(["a.mp4"]), pa.array(["x"]), pa.array([1]), pa.array([2])]
    pq.write_table(pa.table(columns, names=["path", "text", "n", "n"]), tmp_path / "t.parquet")
    assert list(sheets.read(tmp_path / "t.parquet", ["path", "text"], [])) == [{"path": "a.mp4", "text": "x"}]
