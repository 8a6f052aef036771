import hashlib
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest
from helpers.films import film

from seds import tables, video
from seds.config import ConfigError, Dataset
from seds.corpora import headers, prepare
from seds.corpora.prepare import distinct, fit_box, summary
from seds.system.code_version import file_version

DEMO = Dataset(corpus="demo")


def annotation(video_id: str, split: str, **changes: object) -> dict[str, object]:
    row = {"video_id": video_id, "sentence_id": f"s-{video_id}", "split": split, "text": "  Rain falls. "}
    signed = {"signer": "anna", "path": f"videos/{video_id}.mp4", "pair": "", "contrast": ""}
    return row | signed | changes


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
    videos = prepare.prepare("demo", DEMO, root, workers=2).set_index("video_id")
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
    videos = prepare.prepare("demo", DEMO, root)
    tables.write(videos, tables.VIDEOS, "data/videos/demo.parquet")
    read = tables.read("data/videos/demo.parquet", tables.VIDEOS, "dvc repro prepare@demo")
    pd.testing.assert_frame_equal(read, videos)


def test_summary_counts_splits_and_names_what_is_left_out(root):
    lines = summary(prepare.prepare("demo", DEMO, root)).splitlines()
    assert lines[1].split() == ["train", "1", "1", "1", "1", "0.00"]
    assert lines[3].split() == ["test", "2", "0", "2", "1", "0.00"]
    assert "2 of 4 left out" in lines
    assert "  missing: 1" in lines
    assert "    gone: data/raw/demo/videos/gone.mp4: no such file" in lines


def test_hours_are_those_of_the_cuts_and_not_of_their_files(root):
    videos = prepare.prepare("demo", DEMO, root)
    videos = videos.assign(frames=72_000, fps=10.0, start_s=900.0, end_s=2700.0)  # half an hour of two
    assert summary(videos).splitlines()[1].split() == ["train", "1", "1", "1", "1", "0.50"]


def test_an_unrendered_demo_says_what_to_run(tmp_path):
    with pytest.raises(tables.TableError, match=r"annotations\.parquet not found; make it with: dvc repro render"):
        prepare.prepare("demo", DEMO, tmp_path)


def test_annotations_that_break_their_contract_are_named(root):
    pd.DataFrame([annotation("a", "train"), annotation("a", "validation")]).to_parquet(root / "annotations.parquet")
    with pytest.raises(tables.TableError, match=r"(?s)annotations in data/raw/demo.*split.*'validation'"):
        prepare.prepare("demo", DEMO, root)


def test_an_unknown_corpus_lists_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=r"unknown corpus 'how2sgin'; known: .*demo, .*folder, how2sign"):
        prepare.prepare("x", Dataset(corpus="how2sgin"), tmp_path)


def test_a_repeated_id_is_listed_under_another(root):
    rows = [annotation("a", "train"), annotation("a", "test", path="videos/b.mp4"), annotation("a#2", "dev")]
    pd.DataFrame([*rows, annotation("a", "train")]).to_parquet(root / "annotations.parquet")
    videos = prepare.prepare("demo", DEMO, root)
    assert videos["video_id"].tolist() == ["a", "a#3", "a#2", "a#4"]
    assert videos["status"].tolist() == ["ok", "duplicate", "missing", "duplicate"]
    assert videos["detail"][1] == "row 2 has the same video_id as row 1, 'a'"


def test_two_signers_in_one_video_need_ids(root):
    rows = [
        'videos/a.mp4,Rain.,"0,0,32,48",ann',
        'videos/a.mp4,Rain.,"32,0,64,48",ben',
        'videos/a.mp4,Rain.,"0,0,32,48",ann',
    ]
    (root / "videos.csv").write_text("\n".join(["path,text,bbox,signer", *rows]))
    videos = prepare.prepare("mine", Dataset(corpus="folder"), root)
    same = "has the same video_id as row 1, 'videos/a.mp4'"
    assert videos["detail"].tolist() == [
        "",
        f"row 2 {same}; they differ in signer and bbox: give each a video_id of its own",
        f"row 3 {same}",
    ]


def test_distinct_ids():
    assert distinct(["a", "b", "a", "a"]) == (["a", "b", "a#2", "a#3"], {2: 0, 3: 0})
    assert distinct(["a", "a", "a#2"]) == (["a", "a#3", "a#2"], {1: 0})


def test_names_that_leave_the_corpus_are_refused(root):
    (root.parent / "other.mp4").write_bytes((root / "videos/a.mp4").read_bytes())
    rows = [annotation("up", "train", path="../other.mp4"), annotation("root", "train", path="/etc/passwd")]
    pd.DataFrame([*rows, annotation("self", "dev", path=".")]).to_parquet(root / "annotations.parquet")
    videos = prepare.prepare("demo", DEMO, root)
    assert videos["status"].tolist() == ["refused"] * 3
    assert videos["detail"][0].startswith("'data/raw/demo/../other.mp4' is outside data/raw/demo")


@pytest.mark.parametrize(
    ("text", "fitted"),
    [("", None), ("1,2,3,4", (1, 2, 3, 4)), ("-1,0,101,51", (0, 0, 100, 50)), ("0,0,100,50", (0, 0, 100, 50))],
)
def test_a_box_is_cut_to_the_frame(text, fitted):
    assert fit_box(text, 100, 50) == fitted


@pytest.mark.parametrize(
    "text", ["0,0,103,50", "-3,0,9,9", "0,0,9,52", "200,10,300,20", "101,0,102,9", "5,5,5,9", "0,0,1"]
)
def test_a_box_for_another_frame_is_refused(text):
    with pytest.raises(ValueError, match=f"bbox '{text}'"):
        fit_box(text, 100, 50)


def test_a_bad_box_is_a_listed_row(root):
    make = [annotation("a", "train", bbox="0,0,1280,720"), annotation("b", "dev", bbox="0,0,64,48.5")]
    (root / "videos.csv").write_text(pd.DataFrame(make)[["path", "text", "bbox"]].to_csv(index=False))
    videos = prepare.prepare("mine", Dataset(corpus="folder"), root)
    assert videos["status"].tolist() == ["refused", "ok"]
    assert videos["detail"][0] == "bbox '0,0,1280,720' leaves the frame of 64x48 px"
    assert videos["bbox"][1] == "0,0,64,48"


@pytest.mark.parametrize("text", ["16,16,32,32", "0,0,1280,6", "0,0,14,700", "0,0,80,100"])
def test_box_that_no_person_fits_in_is_refused(text):
    if text == "16,16,32,32":  # small, but a person in a small frame
        assert prepare.person_box(text, 64, 48) == (16, 16, 32, 32)
    with pytest.raises(
        ValueError, match=rf"bbox '{text}' is .* px of a frame of 1280x720 px, and no person fits in it"
    ):
        prepare.person_box(text, 1280, 720)


@pytest.mark.parametrize("text", ["0.1,0.1,0.9,0.95", "0,0,1,1", "-0.01,0.2,1.02,0.9", "0.5,0.5,0.4,0.9"])
def test_box_in_shares_of_the_frame_is_a_listed_row(root, text):
    make = [annotation("a", "train", bbox=text), annotation("b", "dev", bbox="20,20,60,48")]
    (root / "videos.csv").write_text(pd.DataFrame(make)[["path", "text", "bbox"]].to_csv(index=False))
    videos = prepare.prepare("mine", Dataset(corpus="folder"), root)
    assert videos["status"].tolist() == ["refused", "ok"]
    assert videos["detail"][0].startswith(f"bbox '{text}'")
    assert "look like shares of the frame, give left,top,right,bottom in px" in videos["detail"][0]


class TestHeaderCache:
    """Cached headers: never wrong, never in the way."""

    @pytest.fixture
    def cache(self, tmp_path):
        return tmp_path / "work/headers/demo.parquet"

    @pytest.fixture
    def opened(self, monkeypatch):
        """The paths that were really opened."""
        paths = []
        real = video.content_hash
        monkeypatch.setattr(video, "content_hash", lambda path: paths.append(Path(path).name) or real(path))
        return paths

    def test_header_cache_saves_opening_unchanged_files(self, root, cache, opened):
        first = prepare.prepare("demo", DEMO, root, cache)
        assert sorted(opened) == ["a.mp4", "b.mp4", "empty.mp4"]
        opened.clear()
        pd.testing.assert_frame_equal(prepare.prepare("demo", DEMO, root, cache), first)
        assert opened == []

    def test_header_cache_opens_changed_files_again(self, root, cache, opened):
        prepare.prepare("demo", DEMO, root, cache)
        film(root / "videos/a.mp4", frames=7)
        (root / "videos/empty.mp4").write_bytes((root / "videos/b.mp4").read_bytes())
        (root / "videos/b.mp4").unlink()
        film(root / "videos/gone.mp4", frames=5)
        opened.clear()
        videos = prepare.prepare("demo", DEMO, root, cache).set_index("video_id")
        assert sorted(opened) == ["a.mp4", "empty.mp4", "gone.mp4"]
        assert videos["frames"].to_dict() == {"a": 7, "b": 0, "gone": 5, "empty": 12}
        assert videos["status"].to_dict() == {"a": "ok", "b": "missing", "gone": "ok", "empty": "ok"}

    @pytest.mark.parametrize("content", [b"", b"PAR1 nonsense PAR1", b"\x80\x04."])
    def test_header_cache_that_is_damaged_is_ignored(self, root, cache, content):
        first = prepare.prepare("demo", DEMO, root, cache)
        cache.write_bytes(content)
        pd.testing.assert_frame_equal(prepare.prepare("demo", DEMO, root, cache), first)
        assert len(pd.read_parquet(cache)) == 3

    def test_header_cache_of_another_version_is_ignored(self, root, cache, opened):
        first = prepare.prepare("demo", DEMO, root, cache)
        table = pd.read_parquet(cache).assign(frames=99)
        for foreign in (table.drop(columns="stamp"), table.assign(version="old"), table.assign(frames="many")):
            foreign.to_parquet(cache)
            opened.clear()
            pd.testing.assert_frame_equal(prepare.prepare("demo", DEMO, root, cache), first)
            assert len(opened) == 3

    def test_header_cache_belongs_to_the_code_that_decides(self):
        """A reworded comment in seds/video does not open every file of a corpus again."""
        assert file_version(Path(video.__file__))[:16] in headers._version()

    def test_header_cache_notices_changed_frames_of_a_folder(self, tmp_path, cache, opened):
        import cv2
        import numpy as np

        folder = tmp_path / "frames"
        folder.mkdir()
        for i in range(4):
            cv2.imwrite(str(folder / f"{i}.png"), np.full((8, 8, 3), i, np.uint8))
        file = headers.File(str(folder), 25.0)
        before = headers.read_headers([file, file], cache)
        assert [header.frames for header in before] == [4, 4]
        assert headers.read_headers([file], cache) == before[:1]
        assert headers.read_headers([headers.File(str(folder), 50.0)], cache)[0].fps == 50.0
        cv2.imwrite(str(folder / "4.png"), np.full((8, 8, 3), 9, np.uint8))
        opened.clear()
        after = headers.read_headers([file], cache)[0]
        assert (after.frames, opened) == (5, ["frames"])
        assert after.sha256 != before[0].sha256

    def test_header_cache_keeps_no_error_of_the_system(self, root, cache, monkeypatch):
        real = video.content_hash

        def lost(path):
            raise OSError(5, "Input/output error")

        monkeypatch.setattr(video, "content_hash", lost)
        videos = prepare.prepare("demo", DEMO, root, cache).set_index("video_id")
        assert videos.loc["a", ["status", "detail"]].tolist() == [
            "unreadable",
            "data/raw/demo/videos/a.mp4: Input/output error",
        ]
        monkeypatch.setattr(video, "content_hash", real)
        assert prepare.prepare("demo", DEMO, root, cache)["status"][0] == "ok"

    def test_header_of_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.mp4")
        (header,) = headers.read_headers([headers.File(str(tmp_path / "pipe.mp4"))])
        assert (header.status, header.frames) == ("missing", 0)


@pytest.mark.parametrize(("splits", "missing"), [("train train dev", "test"), ("train dev test", "train"), ("", "dev")])
def test_corpus_that_cannot_be_trained_is_refused(splits: str, missing: str) -> None:
    rows = [
        {"split": split, "sentence_id": str(i), "status": "ok", "text": "a"} for i, split in enumerate(splits.split())
    ]
    videos = pd.DataFrame(rows, columns=["split", "sentence_id", "status", "text"])
    with pytest.raises(
        prepare.CorpusError, match=f"toy cannot be trained and tested on: .*usable sentences in {missing}: "
    ):
        prepare.check_splits("toy", videos)


def test_corpus_needs_two_sentences_in_train_and_one_elsewhere() -> None:
    rows = [{"split": split, "sentence_id": split + text, "status": "ok", "text": text} for split, text in (
        ("train", "a"), ("train", "b"), ("dev", "a"), ("test", "a"))]  # fmt: skip
    prepare.check_splits("toy", pd.DataFrame(rows))
    for unusable in ({"status": "missing"}, {"text": ""}):
        with pytest.raises(prepare.CorpusError, match=r"in train: 1 \(of 2 rows\), needed: 2"):
            prepare.check_splits("toy", pd.DataFrame([rows[0] | unusable, *rows[1:]]))
