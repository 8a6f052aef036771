import hashlib
import shutil
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from seds import datasets, tables
from seds.config import ConfigError


def film(path: Path, frames: int = 12, fps: int = 10) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for level in range(frames):
            image = np.full((48, 64, 3), 10 * level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))


def annotation(video_id: str, split: str, **changes: object) -> dict[str, object]:
    row = {"video_id": video_id, "sentence_id": f"s-{video_id}", "split": split, "text": "  Rain falls. "}
    return row | {"glosses": "RAIN FALL", "signer": "anna", "path": f"videos/{video_id}.mp4"} | changes


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A corpus in the demo's layout, found from the working directory as the stages find theirs."""
    monkeypatch.chdir(tmp_path)
    root = Path("data/raw/demo")
    film(root / "videos/a.mp4")
    shutil.copy(root / "videos/a.mp4", root / "videos/b.mp4")
    (root / "videos/empty.mp4").touch()
    rows = [
        annotation("a", "train"),
        annotation("b", "dev", signer="ben"),
        annotation("gone", "test"),
        annotation("empty", "test"),
    ]
    pd.DataFrame(rows).to_parquet(root / "annotations.parquet")
    return root


def test_every_row_is_kept_with_what_its_file_says(root):
    videos = datasets.prepare("demo", "demo", root, workers=2).set_index("video_id")
    assert videos["status"].to_dict() == {"a": "ok", "b": "ok", "gone": "missing", "empty": "unreadable"}
    a = videos.loc["a"]
    assert (a["frames"], a["fps"], a["width"], a["height"]) == (12, 10.0, 64, 48)
    assert a["sha256"] == hashlib.sha256((root / "videos/a.mp4").read_bytes()).hexdigest()
    assert (a["text"], a["text_original"], a["language"]) == ("Rain falls.", "  Rain falls. ", "en")
    assert (a["dataset"], a["path"]) == ("demo", "data/raw/demo/videos/a.mp4")
    assert videos.loc["gone", "detail"] == "data/raw/demo/videos/gone.mp4: no such file"
    assert videos.loc["gone", "sha256"] == ""
    assert "data/raw/demo/videos/empty.mp4" in videos.loc["empty", "detail"]
    assert videos.loc["empty", "frames"] == 0


def test_the_table_survives_its_file(root):
    videos = datasets.prepare("demo", "demo", root)
    tables.write(videos, tables.VIDEOS, "data/videos/demo.parquet")
    read = tables.read("data/videos/demo.parquet", tables.VIDEOS, "dvc repro prepare@demo")
    pd.testing.assert_frame_equal(read, videos)


def test_summary_counts_splits_and_names_what_is_left_out(root):
    lines = datasets.summary(datasets.prepare("demo", "demo", root)).splitlines()
    assert lines[1].split() == ["train", "1", "1", "1", "1", "0.00"]
    assert lines[3].split() == ["test", "2", "0", "2", "1", "0.00"]
    assert "2 of 4 left out" in lines
    assert "  missing: 1" in lines
    assert "    gone: data/raw/demo/videos/gone.mp4: no such file" in lines


def test_an_unrendered_demo_says_what_to_run(tmp_path):
    with pytest.raises(tables.TableError, match=r"annotations\.parquet not found; make it with: dvc repro render"):
        datasets.prepare("demo", "demo", tmp_path)


def test_annotations_that_break_their_contract_are_named(root):
    pd.DataFrame([annotation("a", "train"), annotation("a", "validation")]).to_parquet(root / "annotations.parquet")
    with pytest.raises(tables.TableError, match=r"(?s)annotations in data/raw/demo.*video_id.*'a'.*'validation'"):
        datasets.prepare("demo", "demo", root)


def test_an_unknown_corpus_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown corpus 'how2sgin'; seds\.datasets reads: demo, how2sign"):
        datasets.prepare("x", "how2sgin", tmp_path)
