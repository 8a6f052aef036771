"""Keypoint and feature pickles into tables and shards: formats, windows, failures, memory."""

import hashlib
import shutil
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from helpers.made_release import MadeRelease, pickled, published_windows, signing

from seds.config import SampleRules
from seds.corpora.captions import RELEASES, CaptionError
from seds.data import hands, windows
from seds.extraction import imported
from seds.manifest import join
from seds.release.features import RULES, read_features, read_keypoints, window_starts
from seds.shards import ShardReader


def test_frames_are_ordered_by_their_number(tmp_path):
    cases = {
        "phoenix14t": ["images0010.png", "images0002.png", "images0001.png"],
        "csl_daily": ["S000000_P0000_T00_000010.jpg", "x/000002.jpg", "000001.jpg"],
        "how2sign": ["a_1-1-rgb_front_10.png", "a_1-1-rgb_front_9.png", "a_1-1-rgb_front_1.png"],
    }
    points = np.arange(3 * 133 * 3, dtype=np.float64).reshape(3, 133, 3)
    for corpus, names in cases.items():
        for listed in (names, np.array(names)):
            path = pickled(tmp_path / "v.pkl", {"keypoints": points, "img_list": listed})
            found = read_keypoints(path, RELEASES[corpus])
            assert found.dtype == np.float32
            np.testing.assert_array_equal(found, points[::-1])


def test_features_are_stored_in_half_precision(tmp_path):
    rows = np.random.default_rng(0).normal(size=(3, 1024))
    found = read_features(pickled(tmp_path / "v.pkl", {"feature": rows}))
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, rows.astype(np.float16))


POINTS, NAMES = np.zeros((2, 133, 3)), ["images0001.png", "images0002.png"]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"keypoints": POINTS}, "expected a dict with keypoints and img_list"),
        ([POINTS, NAMES], "expected a dict with keypoints and img_list"),
        ({"keypoints": POINTS[:, :17], "img_list": NAMES}, r"\[2, 17, 3\], expected \[T,133,3\]"),
        ({"keypoints": POINTS[:0], "img_list": []}, r"\[0, 133, 3\]"),
        ({"keypoints": POINTS.tolist(), "img_list": NAMES}, "expected an array of numbers.*found list"),
        ({"keypoints": POINTS.astype(str), "img_list": NAMES}, "expected an array of numbers"),
        ({"keypoints": POINTS, "img_list": NAMES[:1]}, "img_list has 1 frames, keypoints 2"),
        ({"keypoints": POINTS, "img_list": 2}, "img_list has no list"),
        ({"keypoints": POINTS, "img_list": [NAMES[0]] * 2}, "frame 1 occurs twice"),
        ({"keypoints": POINTS, "img_list": [NAMES[0], "cover.png"]}, "'cover.png', expected a name that ends"),
        ({"keypoints": POINTS, "img_list": [NAMES[0], 2]}, "img_list has 2, expected a name"),
        ({"keypoints": POINTS.astype(object), "img_list": NAMES}, "refused, it has an array of dtype 'O8'"),
    ],
)
def test_keypoints_in_another_format_are_named(tmp_path, content, named):
    path = pickled(tmp_path / "v.pkl", content)
    with pytest.raises(ValueError, match=rf"v\.pkl.*{named}"):
        read_keypoints(path, RELEASES["phoenix14t"])


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"features": np.zeros((2, 1024))}, "expected a dict with feature"),
        ({"feature": np.zeros((2, 512))}, r"\[2, 512\], expected \[n,1024\]"),
        ({"feature": np.zeros(1024)}, r"\[1024\]"),
        ({"feature": np.full((1, 1024), np.nan)}, "NaN, infinite or too large values for float16"),
        ({"feature": np.full((1, 1024), 1e6)}, "NaN, infinite or too large values for float16"),
    ],
)
def test_features_in_another_format_are_named(tmp_path, content, named):
    with pytest.raises(CaptionError, match=rf"v\.pkl.*{named}"):
        read_features(pickled(tmp_path / "v.pkl", content))


@pytest.mark.parametrize("corpus", RELEASES)
@pytest.mark.parametrize(
    ("frames", "every"),
    [(1, 1), (5, 1), (15, 1), (16, 1), (17, 1), (79, 1), (80, 1), (300, 1), (301, 1), (475, 1), (1427, 1),
     (40, 2), (100, 3), (310, 3), (700, 2), (901, 7)],
)  # fmt: skip
def test_every_pose_window_finds_its_own_row(corpus, frames, every):
    """The identity, also where frames are subsampled or dropped."""
    rng, release = np.random.default_rng(frames), RELEASES[corpus]
    regular = range(0, frames, every)
    ragged = np.flatnonzero(rng.random(frames) < 1 / every) if every > 1 else regular
    for seen in (regular, ragged):
        keypoints = signing(frames, seen, rng, corpus).astype(np.float32)
        starts = window_starts(keypoints, release)
        kept = hands.retain(keypoints, hands.Frame(release.width, release.height, release.wrist_margin), RULES)
        pose = windows.pose_windows(len(kept.frames))
        assert len(starts) == len(pose) == published_windows(frames, seen)
        nearest = windows.nearest_rgb(windows.pose_centres(kept.frames, pose), starts, 16)
        np.testing.assert_array_equal(nearest, np.arange(len(pose)))
    if every == 1 and frames in range(16, 301):
        np.testing.assert_array_equal(window_starts(keypoints, release), pose)  # no frame left out: the same starts


@pytest.fixture
def made(tmp_path) -> MadeRelease:
    return MadeRelease(tmp_path / "release", "phoenix14t")


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(made, tmp_path):
    """Every way to fail, between two videos that are fine; shards of two."""
    bad = ("gone", "refused", "cut", "shape", "no rgb", "rgb refused", "fewer rows")
    for video_id in ("first", *bad, "last"):
        made.add("train", video_id, video_id, 30)
    made.keypoints("gone").unlink()
    made.keypoints("refused").write_bytes(b"cposix\nsystem\n(S'touch sentinel'\ntR.")
    cut = made.keypoints("cut").read_bytes()
    made.keypoints("cut").write_bytes(cut[: len(cut) // 2])
    pickled(made.keypoints("shape"), {"keypoints": POINTS[:, :5], "img_list": NAMES})
    made.features("no rgb", "train").unlink()
    made.features("rgb refused", "train").write_bytes(b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.")
    pickled(made.features("fewer rows", "train"), {"feature": made.rows["fewer rows"][:-1]})
    done = made.run(tmp_path / "tiny", shard_videos=2)

    videos = done.videos.set_index("video_id")
    assert videos["status"].to_dict() == {
        "first": "ok", "gone": "missing", "refused": "unreadable", "cut": "unreadable", "shape": "unreadable",
        "no rgb": "ok", "rgb refused": "ok", "fewer rows": "ok", "last": "ok",
    }  # fmt: skip
    for video_id, reason in (("gone", "gone.pkl: no such file"), ("refused", "it names posix.system")):
        assert reason in videos.loc[video_id, "detail"]
    rgb = done.rgb.set_index("video_id")
    assert list(rgb.index) == list(done.pose["video_id"]) == [*videos.index[videos["status"] == "ok"]]
    assert rgb["status"].tolist() == ["ok", "failed", "failed", "failed", "ok"]
    assert rgb.loc["no rgb", "detail"].endswith("train/no rgb.pkl: no such file")
    assert "it names builtins.eval" in rgb.loc["rgb refused", "detail"]
    assert rgb.loc["fewer rows", "detail"].endswith("feature has 14 rows, the video's keypoints make 15 windows")
    pose = ShardReader(tmp_path / "tiny/pose", "pose")
    assert pose.index["shard"].nunique() == 3
    for index in (done.pose, done.rgb):
        assert (index.loc[index["status"] == "ok", "frames"] == 30).all()
    table = join.build(done.videos, pose, ShardReader(tmp_path / "tiny/rgb", "rgb"), SampleRules())
    assert table["usable"].tolist() == [True, *[False] * 7, True]


def test_an_imported_video_has_what_the_table_asks_for(made, tmp_path):
    made.add("train", "a", "a", 30)
    done = made.run(tmp_path / "tiny")
    row = done.videos.iloc[0]
    assert (row["dataset"], row["split"], row["language"], row["status"]) == ("tiny", "train", "en", "ok")
    assert (row["text"], row["text_original"]) == ("Sentence 0 is signed.", "原 Sentence 0 is signed.")
    assert (row["frames"], row["fps"], row["width"], row["height"], row["path"]) == (30, 25.0, 210, 260, "")
    assert imported.read_videos(tmp_path / "tiny").equals(done.videos)
    (points,) = ShardReader(tmp_path / "tiny/pose", "pose").read("a", ("keypoints",))
    features, starts = ShardReader(tmp_path / "tiny/rgb", "rgb").read("a", ("features", "starts"))
    assert (points.dtype, features.dtype, starts.dtype) == (np.float32, np.float16, np.int32)
    np.testing.assert_array_equal(features, made.rows["a"].astype(np.float16))
    assert row["sha256"] == hashlib.sha256(points.tobytes() + features.tobytes() + starts.tobytes()).hexdigest()


def test_other_features_make_another_videos_table(made, tmp_path):
    """The stages pose and rgb depend on that table alone."""
    made.add("train", "a", "a", 30)
    before = made.run(tmp_path / "one").videos
    pickled(made.features("a", "train"), {"feature": made.rows["a"] + 1})
    after = made.run(tmp_path / "two").videos
    assert before["sha256"][0] != after["sha256"][0]
    pd.testing.assert_frame_equal(before.drop(columns="sha256"), after.drop(columns="sha256"))


def test_keypoints_may_lie_in_folders_by_subset(made, tmp_path):
    made.add("train", "a", "a")
    place = made.root / "keypoints/train/a.pkl"
    place.parent.mkdir()
    made.keypoints("a").rename(place)
    made.features("a", "train").rename(made.root / "rgb/a.pkl")
    assert made.run(tmp_path / "tiny").rgb["status"].tolist() == ["ok"]


def test_import_overwrites_nothing_and_leaves_no_partial_output(made, tmp_path, monkeypatch):
    made.add("train", "a", "a")
    monkeypatch.setattr("seds.release.features.window_starts", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made.run(tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()
    monkeypatch.undo()
    made.run(tmp_path / "tiny")
    with pytest.raises(FileExistsError, match="exists; remove it"):
        made.run(tmp_path / "tiny")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_corpus(tmp_path):
    """Four times the videos, the same peak but for their rows.

    Twice, as Python lays out its table of interned strings anew from time to time, here for the parts of paths: 4 MB or
    more. The first run is for what libraries keep.
    """
    peaks = []
    for run, count in enumerate((10, 20, 80, 80)):
        made = MadeRelease(tmp_path / str(run), "phoenix14t")
        made.add("train", "0", "0", 200)
        for i in range(1, count):
            made.captions["train"][str(i)] = {**made.captions["train"]["0"], "video_name": str(i)}
            shutil.copy(made.keypoints("0"), made.keypoints(str(i)))
            shutil.copy(made.features("0", "train"), made.features(str(i), "train"))
        tracemalloc.start()
        done = made.run(tmp_path / f"out{run}", shard_videos=10)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert (done.rgb["status"] == "ok").sum() == count
    assert min(peaks[2:]) < peaks[1] + 1e6, f"{peaks}; the tensors of 60 more videos would be 24 MB"
