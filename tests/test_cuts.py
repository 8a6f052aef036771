"""Lengths of whole files and of cuts of them."""

from types import SimpleNamespace

import numpy as np
import pytest

from seds.timing import duration_s


def test_length_counts_from_the_start_of_the_sound() -> None:
    row = {"frames": 40, "fps": 10.0, "begin_s": 1.0}
    assert duration_s(SimpleNamespace(**row, start_s=None, end_s=None)) == 5
    assert duration_s(SimpleNamespace(**row, start_s=4.0, end_s=9.0)) == 1


@pytest.mark.parametrize(
    ("start_s", "end_s", "seconds"),
    [
        (np.nan, np.nan, 4.0), (None, None, 4.0), (1.5, np.nan, 2.5), (np.nan, 1.5, 1.5), (1.0, 3.5, 2.5),
        (3.0, 9.0, 1.0), (5.0, 9.0, 0.0),
    ],
)  # fmt: skip
def test_a_cut_ends_with_its_file(start_s: float | None, end_s: float | None, seconds: float) -> None:
    assert duration_s(SimpleNamespace(frames=40, fps=10.0, start_s=start_s, end_s=end_s)) == seconds
