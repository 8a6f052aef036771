"""Label files of Uni-Sign and GFSLT as captions: keys and paths as they write them, in the corpus's own language."""

import gzip
import json
import pickle
from pathlib import Path

import pandas as pd
import pytest

from seds.config import Dataset
from seds.corpora.pickles import PickleError
from seds.corpora.readers import labels, texts
from seds.tables import ANNOTATIONS, TableError


def write(file: Path, content: object) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(gzip.compress(pickle.dumps(content)))
    return file


def rows(*names: str) -> pd.DataFrame:
    made = [{"video_id": name, "sentence_id": name, "language": "zh", "text": "old", "problem": ""} for name in names]
    return pd.DataFrame(made, columns=list(ANNOTATIONS.columns))


def test_texts_are_found_by_key_name_or_path(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    clip, vid = "-fZc293MpJk_0-1-rgb_front", "1nFdgokPwBw-00:00:14.100-00:00:17.266"
    write(tmp_path / "l/labels.train", {f"{clip}.mp4": {"name": f"{clip}.mp4", "gloss": "", "text": "Hi!"}})
    german = {"name": "dev/11August_2010", "text": " Regen\u00a0 \n", "length": 4}
    write(tmp_path / "l/labels.dev", {"dev/11August_2010": german})
    write(tmp_path / "l/labels.test", {
        "S000020_P0000_T00": {"text": "今天", "gloss": ["今天"], "video_path": "S000020_P0000_T00.mp4"},
        "x": {"text": "Open.", "video_path": f"clips/{vid}.mp4"},
    })  # fmt: skip
    (tmp_path / "l/CSL_News_Labels.json").write_text(
        json.dumps([{"video": "a/b.mp4", "pose": "b.pkl", "text": "新闻"}])
    )
    table = rows(clip, "11August_2010", "S000020_P0000_T00", f"clips/{vid}.mp4", "b", "none")
    found = texts.captioned(table, Dataset(corpus="folder", captions="l"), tmp_path)
    assert found["text"].tolist() == ["Hi!", "Regen", "今天", "Open.", "新闻", ""]
    assert found["text_original"][1] == " Regen\u00a0 \n"
    assert set(found["language"]) == {"zh"}
    assert "has no text for 1 of 6 videos, such as none" in caplog.text
    one = texts.captioned(table, Dataset(corpus="folder", captions="l/labels.train"), tmp_path)
    assert one["text"].tolist() == ["Hi!", *[""] * 5]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x", "is not a whole gzip file"),
        (gzip.compress(b"x" * 100)[:-9], "is not a whole gzip file"),
        (gzip.compress(pickle.dumps([1])), "expected a dict by video"),
        (gzip.compress(pickle.dumps({"a": {"name": "a"}})), "'a': expected a text"),
        (gzip.compress(b"cos\nsystem\n(S'true'\ntR."), "labels.dev"),
    ],
    ids=("no-gzip", "cut", "list", "no-text", "pickle"),  # gzip writes the time into its file
)
def test_label_files_that_cannot_be_read_say_why(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "labels.dev").write_bytes(content)
    with pytest.raises((TableError, PickleError), match=message):
        labels.read(labels.files(tmp_path))


def test_packed_labels_beyond_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seds.corpora.pickles.MAX_BYTES", 1_000_000)
    (tmp_path / "labels.dev").write_bytes(gzip.compress(bytes(2_000_000)))
    with pytest.raises(PickleError, match=r"labels\.dev"):
        labels.read(labels.files(tmp_path))
