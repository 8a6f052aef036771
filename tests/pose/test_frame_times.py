"""Times of frames against those that the files were written with, and which of them are kept."""

from math import nan
from pathlib import Path

import numpy as np
import pytest
from helpers import shown
from helpers.films import film, numbered, write_uneven

from seds import video
from seds.data.samples import Video
from seds.index.encoding import window_times
from seds.pose.frame_times import FrameTimes
from seds.timing import frame_edges
from seds.video import TimedFrame

# Quick at first, then slow, with a pause; s. The first is not at 0.
TIMES = np.array([0.2, 0.233, 0.267, 0.3, 0.333, 0.367, 0.4, 1.4, 1.5, 1.6, 1.7, 1.8])


def write_irregular(path: Path, codec: str = "libx264") -> Path:
    return write_uneven(path, [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(len(TIMES))], TIMES, codec)


def recorded(path: Path, start_s: float | None = None, end_s: float | None = None) -> tuple[int, np.ndarray | None]:
    """Frames of a cut, and their times where they are kept."""
    times, fps = FrameTimes(), 10.0 if path.is_dir() else video.probe(path).fps
    count = len(list(times.record(video.timed_frames(path, start_s, end_s, fps))))
    return count, times.irregular(fps, start_s)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
def test_frame_times_are_those_of_the_file(tmp_path: Path, name: str, codec: str) -> None:
    path = write_irregular(tmp_path / name, codec)  # H.264 with frames out of order (B frames)
    count, edges = recorded(path)
    assert count == len(TIMES)
    np.testing.assert_allclose(edges[:-1], TIMES - TIMES[0], atol=2e-3)
    assert 0 < edges[-1] - edges[-2] < 0.3
    assert np.abs(frame_edges(None, count, video.probe(path).fps) - edges).max() > 0.3, "the mean rate is wrong here"


def test_frame_times_of_a_cut_count_from_its_start(tmp_path: Path) -> None:
    count, edges = recorded(write_irregular(tmp_path / "a.mp4"), 0.15, 1.45)
    assert count == 5
    np.testing.assert_allclose(edges[:-1], TIMES[5:10] - TIMES[0] - 0.15, atol=2e-3)


def test_frame_times_at_a_constant_rate_are_not_kept(tmp_path: Path) -> None:
    assert recorded(film(tmp_path / "even.mp4", 12, 10)) == (12, None)
    assert recorded(film(tmp_path / "even.mkv", 30, 29), 0.08, 0.9) == (24, None), (
        "rounded to ms, and cut between frames"
    )


def test_frame_times_of_a_picture_behind_its_sound_are_kept(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a.mp4", range(25, 60), sound_s=0.0)
    count, edges = recorded(path)
    assert count == 35
    np.testing.assert_allclose(edges, 1 + np.arange(36) / 25, atol=1e-6)
    assert recorded(path, 1.4, 2.0) == (15, None)
    count, edges = recorded(path, 0.8, 1.2)
    np.testing.assert_allclose(edges, 0.2 + np.arange(6) / 25, atol=1e-6)


def test_frame_times_that_are_unknown_are_not_kept(tmp_path: Path) -> None:
    shown.write_frame_folder(tmp_path / "frames", 3)
    assert recorded(tmp_path / "frames") == (3, None)
    for edges in ([(0, 1), (nan, nan), (5, 6)], [(0, 1), (5, 6), (4, 5)]):  # a time missing, times that go back
        times = FrameTimes()
        assert len(list(times.record(TimedFrame(np.zeros(0), *edge) for edge in edges))) == 3
        assert times.irregular(1.0, None) is None


def test_frame_times_end_at_the_mean_rate_if_unknown() -> None:
    times = FrameTimes()
    assert len(list(times.record(TimedFrame(np.zeros(0), begin, begin) for begin in (0.0, 0.1, 3.0)))) == 3
    np.testing.assert_array_equal(times.irregular(2.0, None), [0, 0.1, 3, 3.5])


def test_windows_span_the_times_of_their_own_frames() -> None:
    edges = np.append(TIMES - TIMES[0], 1.7)
    frames = np.array([0, 1, 2, 5, 6, 7, 8, 11], np.int32)  # no hand was seen in the others
    made = Video(*[np.zeros(0)] * 3, frames, np.array([0, 3, 4]), np.zeros(0), np.zeros(0), "", "", "")
    expected = [(edges[0], edges[5 + 1]), (edges[5], edges[8 + 1]), (edges[6], edges[11 + 1])]
    np.testing.assert_array_equal(window_times(made, 4, edges), expected)
