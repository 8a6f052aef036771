import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seds.data.windows import nearest_rgb, pose_centres, pose_windows
from seds.rgb.windows import rgb_windows


@pytest.mark.parametrize(("retained", "kept"), [(1, 1), (10, 1), (16, 1), (17, 2), (79, 64), (80, 64), (300, 64)])
def test_number_of_pose_windows(retained, kept):
    assert len(pose_windows(retained)) == kept


def test_many_pose_windows_are_thinned_evenly():
    assert pose_windows(300)[:6].tolist() == [0, 4, 9, 13, 18, 22]
    assert pose_windows(300)[-1] == 284


def test_no_frame_no_pose_window():
    assert pose_windows(0).tolist() == []


def test_bad_sizes_are_named():
    with pytest.raises(ValueError, match="retained must not be negative, got -1"):
        pose_windows(-1)
    with pytest.raises(ValueError, match="rgb_starts is empty"):
        nearest_rgb(np.array([3.0]), np.array([], np.int64), 16)


def test_pose_centres_are_in_raw_frames():
    raw = np.array([0, 1, 2, 10, 11, 30])
    np.testing.assert_array_equal(pose_centres(raw, np.array([0, 1, 2]), window=4), [5.0, 6.0, 16.0])
    np.testing.assert_array_equal(pose_centres(raw, np.array([0]), window=16), [15.0])  # shorter than a window


def test_of_two_rgb_windows_as_near_the_earlier_is_taken():
    # Windows of 4 frames at 0 and 4 are centred on 1.5 and 5.5.
    assert nearest_rgb(np.array([0.0, 3.0, 3.5, 4.0, 99.0]), np.array([0, 4]), 4).tolist() == [0, 0, 0, 1, 1]


@given(
    st.lists(st.integers(0, 800), min_size=1, max_size=70).map(lambda halves: np.array(halves) / 2),
    st.integers(1, 400),
    st.integers(1, 20),
    st.integers(1, 20),
)
def test_nearest_rgb_against_a_search(centres, frames, window, stride):
    starts = rgb_windows(frames, window, stride)
    expected = [
        min(range(len(starts)), key=lambda i: (abs(centre - (starts[i] + starts[i] + window - 1) / 2), i))
        for centre in centres
    ]
    assert nearest_rgb(centres, starts, window).tolist() == expected


@given(st.integers(1, 400))
def test_pose_and_rgb_windows_coincide_without_gaps_at_stride_1(frames):
    starts = pose_windows(frames)
    centres = pose_centres(np.arange(frames), starts)
    assert nearest_rgb(centres, rgb_windows(frames, 16, 1), 16).tolist() == starts.tolist()
