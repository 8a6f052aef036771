"""The progress line."""

import pytest

from seds.engine.progress import Progress
from seds.extraction.extractor import Video


def cut(name: str, start_s: float | None, end_s: float | None) -> Video:
    return Video(name, "long.mp4", start_s, end_s, 1000, 10.0, 64, 48, "")


def test_progress_counts_the_frames_of_each_cut(capsys: pytest.CaptureFixture[str]) -> None:
    videos = [cut("a", 0.0, 2.0), cut("b", 95.0, 200.0), cut("c", None, None)]
    with Progress("pose", videos, videos[1:]) as progress:
        assert "20/1070" in capsys.readouterr().err, "the first was done before"
        for video in videos[1:]:
            progress.add(video)
    told = capsys.readouterr().err
    assert "1070/1070" in told
    assert "3/3 videos" in told
