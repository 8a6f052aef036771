"""Times of frames against those that the files were written with, and moments of a clip whose rate varies."""

from pathlib import Path

import numpy as np
import pytest
import shown
from films import film, write_uneven

from seds import video
from seds.samples import Video
from seds.search.encoding import window_times
from seds.search.frame_times import even_edges, frame_edges

# Quick at first, then slow, with a pause; s. The first is not at 0.
TIMES = np.array([0.2, 0.233, 0.267, 0.3, 0.333, 0.367, 0.4, 1.4, 1.5, 1.6, 1.7, 1.8])


def uneven(path: Path, codec: str = "libx264") -> Path:
    return write_uneven(path, [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(len(TIMES))], TIMES, codec)


@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.webm", "libvpx-vp9")])
def test_frames_begin_when_the_file_says(tmp_path: Path, name: str, codec: str) -> None:
    path = uneven(tmp_path / name, codec)  # H.264 with frames out of order (B frames)
    info = video.probe(path)
    assert info.frames == len(list(video.frames(path))) == len(TIMES)
    edges = frame_edges(path, len(TIMES), info.fps)
    np.testing.assert_allclose(edges[:-1], TIMES - TIMES[0], atol=2e-3)
    assert 0 < edges[-1] - edges[-2] < 0.3
    assert np.abs(even_edges(len(TIMES), info.fps) - edges).max() > 0.3, "the mean rate is wrong here"


def test_a_constant_rate_is_found_as_such(tmp_path: Path) -> None:
    path = film(tmp_path / "even.mp4", 12, 10)
    np.testing.assert_allclose(frame_edges(path, 12, 10), even_edges(12, 10), atol=1e-6)


def test_where_times_and_frames_are_not_as_many_the_mean_rate_has_to_do(tmp_path: Path) -> None:
    path = uneven(tmp_path / "a.mp4")
    np.testing.assert_array_equal(frame_edges(path, 11, 5.0), np.arange(12) / 5)
    np.testing.assert_array_equal(frame_edges(uneven(tmp_path / "a.h264"), 12, 5.0), even_edges(12, 5.0))
    shown.write_frame_folder(tmp_path / "frames", 3)
    for name in ("frames", "gone.mp4"):
        np.testing.assert_array_equal(frame_edges(tmp_path / name, 3, 10.0), [0, 0.1, 0.2, 0.3])


def test_windows_span_the_times_of_their_own_frames() -> None:
    edges = np.append(TIMES - TIMES[0], 1.7)
    frames = np.array([0, 1, 2, 5, 6, 7, 8, 11], np.int32)  # no hand was seen in the others
    made = Video(*[np.zeros(0)] * 3, frames, np.array([0, 3, 4]), np.zeros(0), np.zeros(0), "", "", "")
    expected = [(edges[0], edges[5 + 1]), (edges[5], edges[8 + 1]), (edges[6], edges[11 + 1])]
    np.testing.assert_array_equal(window_times(made, 4, edges), expected)
