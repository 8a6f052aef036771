import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seds.rgb.windows import rgb_windows


@pytest.mark.parametrize(
    ("frames", "stride", "starts"),
    [
        (0, 4, [0]),
        (10, 4, [0]),
        (16, 4, [0]),
        (17, 1, [0, 1]),
        (24, 4, [0, 4, 8]),
        (26, 4, [0, 4, 8, 10]),
        (18, 100, [0, 2]),
    ],
)
def test_rgb_windows(frames, stride, starts):
    assert rgb_windows(frames, 16, stride).tolist() == starts


@given(st.integers(0, 500), st.integers(1, 40), st.integers(1, 40))
def test_rgb_windows_lie_in_the_video_and_reach_its_end(frames, window, stride):
    starts = rgb_windows(frames, window, stride)
    assert starts[0] == 0
    assert starts[-1] == max(0, frames - window)
    steps = np.diff(starts)
    assert (steps >= 1).all()
    assert (steps <= stride).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((-1, 16, 1), "frames must not be negative, got -1"),
        ((20, 0, 1), "window must be at least 1, got 0"),
        ((20, 16, 0), "stride must be at least 1, got 0"),
    ],
)
def test_rgb_windows_name_bad_sizes(arguments, message):
    with pytest.raises(ValueError, match=message):
        rgb_windows(*arguments)
