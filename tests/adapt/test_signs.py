"""What the sign encoder learns from: windows around signs, markers in them, and the parts of videos that hold them."""

import numpy as np
import pandas as pd
import pytest
from helpers.shown import row

from seds import tables
from seds.adapt.signs import Marker, Segment, Sign, labels_of, segments, signs_of
from seds.extraction.extractor import Video

T = 16


def video(name: str = "a", start_s: float | None = None, end_s: float | None = None) -> Video:
    return Video(name, f"{name}.mp4", start_s, end_s, 100, 10.0, 64, 64, "")


def sign(start: float, end: float, *markers: Marker, name: str = "a") -> Sign:
    return Sign(video(name), 0.0, start, end, 0, markers)


def test_window_is_around_the_middle_of_its_sign() -> None:
    assert sign(20, 30).first_frame(T) == 17
    assert sign(20, 30).first_frame(T, 2.6) == 20
    assert sign(2, 6).first_frame(T) == 0, "never before the video"


def test_windows_of_a_long_sign_reach_both_of_its_ends() -> None:
    long = sign(20, 60)
    reach = long.reach(T, 3)
    assert (long.first_frame(T, -reach), long.first_frame(T, reach) + T) == (20, 60)
    assert sign(20, 30).reach(T, 3) == 3


def test_marker_counts_by_what_of_it_a_window_shows() -> None:
    shown = sign(0, 9, Marker(0, 0, 100), Marker(1, 10, 14), Marker(2, 12, 40), Marker(3, 50, 60))
    np.testing.assert_allclose(shown.markers_in(4, T, 5), [1, 1, 8 / 16, 0, 0])
    np.testing.assert_allclose(shown.markers_in(12, T, 5), [1, 0.5, 1, 0, 0])
    assert sign(0, 9).markers_in(0, T, 0).shape == (0,)


def test_segments_hold_every_window_and_parts_that_meet_are_one() -> None:
    signs = [sign(60, 70), sign(20, 30), sign(33, 41), sign(20, 30, name="b")]
    found, segment_of = segments(signs, T, 3)
    spans = [(part.video.video_id, part.first, part.stop) for part in found]
    assert spans == [("a", 14, 48), ("a", 54, 76), ("b", 14, 36)]
    assert segment_of == [1, 0, 0, 2]


@pytest.mark.parametrize(
    ("whole", "first", "stop", "expected"),
    [
        (video(), 0, 20, (None, 1.95)),
        (video(), 5, 20, (0.45, 1.95)),
        (video(start_s=3.0, end_s=4.5), 0, 10, (3.0, 3.95)),
        (video(start_s=3.0, end_s=4.5), 2, 20, (3.15, 4.5)),
    ],
)
def test_segment_is_cut_between_two_frames(whole: Video, first: int, stop: int, expected: tuple[object, ...]) -> None:
    cut = Segment(whole, whole.start_s or 0.0, first, stop).cut()
    assert (cut.start_s, cut.end_s) == pytest.approx(expected)


def corpus() -> tuple[pd.DataFrame, pd.DataFrame]:
    """SIGNS and VIDEOS tables of a video in each split, and of a broken one in train."""
    rows = [row(split, f"{split}.mp4", split=split) for split in tables.SPLITS]
    videos = tables.check(pd.DataFrame([*rows, row("broken", "", status="missing")]), tables.VIDEOS, "videos")
    signs = pd.DataFrame(
        [
            ("train", 0.0, 0.4, "manual", "RAIN"),
            ("train", 0.4, 0.8, "manual", "SNOW"),
            ("train", 0.0, 0.8, "nonmanual", "question"),
            ("dev", 0.0, 0.4, "manual", "SNOW"),
            ("dev", 0.4, 0.8, "manual", "SUN"),
            ("dev", 0.4, 0.8, "nonmanual", "negation"),
            ("dev", 0.2, 0.8, "nonmanual", "question"),
            ("test", 0.0, 0.8, "manual", "WIND"),
        ],
        columns=["video_id", "start_s", "end_s", "tier", "label"],
    )
    return signs, videos


def test_labels_are_those_of_the_training_split() -> None:
    assert labels_of(*corpus()) == {"manual": ("RAIN", "SNOW"), "nonmanual": ("question",)}


def test_signs_of_a_split_have_their_labels_and_markers() -> None:
    signs, videos = corpus()
    labels = labels_of(signs, videos)
    train, dev = (signs_of(signs, videos, split, labels) for split in ("train", "dev"))
    assert [(s.label, s.start, s.end) for s in train] == [(0, 0.0, 4.0), (1, 4.0, 8.0)]
    assert [s.label for s in dev] == [1, -1], "SUN is not known from training"
    assert dev[0].markers == (Marker(0, 2.0, 8.0),), "nor is negation"


def test_markers_are_what_is_learnt_where_no_manual_sign_is() -> None:
    signs, videos = corpus()
    only = signs[signs["tier"] == "nonmanual"]
    labels = labels_of(only, videos)
    assert labels == {"nonmanual": ("question",)}
    assert [(s.label, s.markers) for s in signs_of(only, videos, "train", labels)] == [(0, (Marker(0, 0.0, 8.0),))]


def test_frames_are_counted_from_the_first_that_is_shown() -> None:
    """By the clock of a file whose sound begins 0.5 s before its picture, and of cuts of it."""
    signs, _ = corpus()
    signs = signs.assign(start_s=1.0, end_s=1.4)
    for start_s, begin, start in ((np.nan, 0.5, 5.0), (0.2, 0.5, 7.0), (3.0, 3.0, 10.0)):
        videos = pd.DataFrame([row("train", "a.mp4", start_s=start_s, begin_s=0.5)])
        labels = labels_of(signs, videos)
        for found in signs_of(signs, videos, "train", labels):
            assert (found.begin, found.start, found.end) == pytest.approx((begin, start, start + 4))
            assert found.markers[0].start == pytest.approx(start)
