"""The signs table: what a corpus says of single signs, and what becomes of rows that make no sense."""

from pathlib import Path

import pandas as pd
import pytest
from helpers.films import film

from seds import tables
from seds.config import Dataset
from seds.corpora import prepare
from seds.corpora.signs import no_signs, summary
from seds.extraction import imported

DEMO, FOLDER = Dataset(corpus="demo"), Dataset(corpus="folder")
LENGTH = 1.2  # s, of a film of 12 frames


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two films in the demo's layout, and one that is missing; signs are for the test to write."""
    for name in ("a", "b"):
        film(tmp_path / f"videos/{name}.mp4")
    rows = [
        {
            "video_id": name,
            "sentence_id": name,
            "split": split,
            "text": "Rain.",
            "signer": "anna",
            "pair": "",
            "contrast": "",
        }
        for name, split in (("a", "train"), ("b", "dev"), ("gone", "test"))
    ]
    table = pd.DataFrame(rows)
    table.assign(path="videos/" + table["video_id"] + ".mp4").to_parquet(tmp_path / "annotations.parquet")
    return tmp_path


def find(root: Path, *rows: tuple[object, ...]) -> tuple[pd.DataFrame, list[tuple[str, str, str]]]:
    """The signs found where the demo has these: video_id, start_s, end_s, tier, label."""
    columns = ["video_id", "start_s", "end_s", "tier", "label"]
    pd.DataFrame(rows, columns=columns).to_parquet(root / "signs.parquet")
    _, signs, skipped = prepare.prepare_with_signs("demo", DEMO, root)
    return signs, skipped


def test_signs_are_in_order_of_video_and_time(root: Path, tmp_path: Path) -> None:
    signs, skipped = find(
        root,
        ("b", 0.1, 0.4, "manual", "SNOW"),
        ("a", 0.5, 0.9, "manual", "RAIN"),
        ("a", 0.0, 1.2, "nonmanual", "question"),
        ("a", 0.0, 0.4, "manual", "HOUSE"),
    )
    assert skipped == []
    assert signs[["video_id", "label"]].to_numpy().tolist() == [
        ["a", "HOUSE"],
        ["a", "question"],
        ["a", "RAIN"],
        ["b", "SNOW"],
    ]
    assert (signs["source"] == "annotation").all()
    assert (signs["score"] == 1).all()
    tables.write(signs, tables.SIGNS, tmp_path / "read.parquet")
    pd.testing.assert_frame_equal(tables.read(tmp_path / "read.parquet", tables.SIGNS, "dvc repro"), signs)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("c", 0.0, 0.5, "manual", "RAIN"), "unknown video"),
        (("gone", 0.0, 0.5, "manual", "RAIN"), "its video is left out"),
        (("a", 0.5, 0.5, "manual", "RAIN"), "times out of order"),
        (("a", 0.5, 0.2, "manual", "RAIN"), "times out of order"),
        (("a", -0.1, 0.2, "manual", "RAIN"), "times out of order"),
        (("a", float("nan"), 0.2, "manual", "RAIN"), "times out of order"),
        (("a", 1.2, 1.25, "manual", "RAIN"), "outside its video"),
        (("a", 0.5, 1.4, "manual", "RAIN"), "outside its video"),
        (("a", 0.0, 0.5, "mouth", "RAIN"), "unknown tier"),
        (("a", 0.0, 0.5, "manual", " "), "no label"),
        (("a", 0.0, 0.5, "manual", None), "no label"),
    ],
)
def test_sign_that_makes_no_sense_is_listed(root: Path, row: tuple[object, ...], reason: str) -> None:
    signs, skipped = find(root, row, ("a", 0.0, 0.5, "manual", "SNOW"))
    assert signs["label"].tolist() == ["SNOW"]
    assert [(found, video_id) for found, video_id, _ in skipped] == [(reason, row[0])]
    assert "1 of 2 left out" in summary(signs, skipped)
    assert f"  {reason}: 1" in summary(signs, skipped)


def test_end_less_than_a_frame_late_is_that_of_the_video(root: Path) -> None:
    signs, skipped = find(root, ("a", 0.5, LENGTH + 0.08, "manual", "RAIN"))
    assert skipped == []
    assert signs["end_s"].tolist() == [pytest.approx(LENGTH)]


def test_video_of_one_sign_is_that_sign_from_start_to_end(root: Path) -> None:
    rows = [
        {"path": "videos/a.mp4", "text": "Rain.", "sign": "RAIN"},
        {"path": "videos/b.mp4", "text": "The sun.", "sign": ""},
        {"path": "videos/b.mp4", "text": "Snow.", "sign": " SNOW ", "start_s": 0.4, "end_s": 1.0},
        {"path": "videos/a.mp4", "text": "Rain.", "sign": "RAIN"},  # the same video_id as the first
    ]
    pd.DataFrame(rows).to_csv(root / "videos.csv", index=False)
    videos, signs, skipped = prepare.prepare_with_signs("mine", FOLDER, root)
    assert signs[["video_id", "start_s", "label", "tier", "source"]].to_numpy().tolist() == [
        ["videos/a.mp4", 0.0, "RAIN", "manual", "dictionary"],
        ["videos/b.mp4 0.4-1", 0.0, "SNOW", "manual", "dictionary"],
    ]
    assert signs["end_s"].tolist() == pytest.approx([LENGTH, 0.6])
    assert [reason for reason, _, _ in skipped] == ["its video is left out"]
    assert "sign" not in videos


def test_corpora_without_signs_have_an_empty_table(root: Path) -> None:
    pd.DataFrame([{"path": "videos/a.mp4", "text": "Rain."}]).to_csv(root / "videos.csv", index=False)
    _, signs, skipped = prepare.prepare_with_signs("mine", FOLDER, root)
    pd.testing.assert_frame_equal(signs, no_signs())
    assert (skipped, summary(signs, skipped)) == ([], "")
    prepare.prepare("mine", FOLDER, root).to_parquet(root / imported.VIDEOS)
    _, signs, _ = prepare.prepare_with_signs("released", Dataset(corpus="released"), root)
    pd.testing.assert_frame_equal(signs, no_signs())


def test_signs_file_without_a_column_is_refused(root: Path) -> None:
    pd.DataFrame({"video_id": ["a"], "label": ["RAIN"]}).to_parquet(root / "signs.parquet")
    with pytest.raises(tables.TableError, match="no column start_s and no column end_s and no column tier"):
        prepare.prepare_with_signs("demo", DEMO, root)


def test_demo_that_is_not_rendered_says_what_to_run(root: Path) -> None:
    with pytest.raises(tables.TableError, match=r"signs\.parquet not found; make it with: dvc repro render"):
        prepare.prepare_with_signs("demo", DEMO, root)
