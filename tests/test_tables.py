"""The table contracts: a broken table names column, value and rule."""

from pathlib import Path

import pandas as pd
import pytest

from seds import tables


def index(**changes: object) -> pd.DataFrame:
    row = {"video_id": "a", "shard": "0.safetensors", "frames": 3, "rows": 3, "status": "ok", "detail": ""}
    return pd.DataFrame([row | changes])


def test_round_trip_keeps_rows_and_orders_columns(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    tables.write(index()[["detail", "video_id", "status", "rows", "frames", "shard"]], tables.SHARD_INDEX, path)
    read = tables.read(path, tables.SHARD_INDEX, "dvc repro")
    assert list(read.columns) == list(tables.SHARD_INDEX.columns)
    assert read.iloc[0].to_dict() == index().iloc[0].to_dict()


def test_a_broken_rule_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    with pytest.raises(tables.TableError, match=r"index.parquet breaks its contract:\n  column frames: .*got -1"):
        tables.write(index(frames=-1), tables.SHARD_INDEX, path)
    assert not path.exists()


def test_a_missing_column_and_a_repeated_video_are_refused() -> None:
    with pytest.raises(tables.TableError, match="shard"):
        tables.check(index().drop(columns="shard"), tables.SHARD_INDEX, "t")
    with pytest.raises(tables.TableError, match="column video_id: field_uniqueness, got 'a'"):
        tables.check(pd.concat([index(), index()]), tables.SHARD_INDEX, "t")


def test_a_file_that_is_no_parquet_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "index.parquet"
    path.write_text("not a table")
    with pytest.raises(tables.TableError, match=r"not a readable Parquet file .*dvc repro pose@demo"):
        tables.read(path, tables.SHARD_INDEX, "dvc repro pose@demo")
