"""Frames of a video's own cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from helpers import shown

from seds.report.thumbnails import thumbnails
from seds.video import VideoError


def row(path: str, **values: Any) -> Any:
    return next(pd.DataFrame([shown.row("v", path, **values)]).itertuples())


def test_frames_are_those_of_the_cut_evenly_spread(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    shown.write_video(path)
    made = thumbnails(row(str(path), start_s=0.5, end_s=1.5), 3, 80)
    assert [image.shape for image in made] == [(60, 80, 3)] * 3
    for image, frame in zip(made, (5 + 1, 5 + 5, 5 + 8), strict=True):
        assert abs(float(image.mean()) - shown.grey(frame)) < 4
    to_end = thumbnails(row(str(path), start_s=1.0), 2, 80)
    assert [round((image.mean() - shown.grey(0)) / 10) for image in to_end] == [12, 17]
    fewer = thumbnails(row(str(path), end_s=1.0, fps=20.0, frames=40), 2, 80)  # at twice the real rate
    assert [round((image.mean() - shown.grey(0)) / 10) for image in fewer] == [5], "those that there are"
    assert len(thumbnails(row(str(path), frames=2), 5, 80)) == 2, "no frame twice"
    assert thumbnails(row(str(path)), 1, 1000)[0].shape == (120, 160, 3), "none is enlarged"


def test_thumbnail_shows_only_the_inside_of_the_box(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    shown.write_video(path)
    (image,) = thumbnails(row(str(path), bbox="10,20,50,100"), 1, 80)
    assert image.shape == (80, 40, 3)
    assert image.dtype == np.uint8


def test_missing_or_shortened_video_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="only its features"):
        thumbnails(row(""), 3, 80)
    with pytest.raises(VideoError, match="no such file"):
        thumbnails(row(str(tmp_path / "gone.mp4")), 3, 80)
    shown.write_video(tmp_path / "video.mp4")
    with pytest.raises(VideoError, match="fewer than 50 frames: it changed"):
        thumbnails(row(str(tmp_path / "video.mp4"), frames=50), 3, 80)
