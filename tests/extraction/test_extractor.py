"""What a video is to an extractor, and what of it decides the result."""

from dataclasses import replace
from typing import Any

import pytest

from seds.extraction.extractor import Video, read_video

ROW = {
    "video_id": "a", "sentence_id": "s", "text": "hello", "path": "videos/a.mp4", "start_s": float("nan"),
    "end_s": None, "frames": 50, "fps": 25.0, "width": 640, "height": 480, "sha256": "0" * 64, "bbox": "",
    "status": "ok",
}  # fmt: skip


def test_a_row_becomes_a_video() -> None:
    assert read_video(ROW) == Video("a", "videos/a.mp4", None, None, 50, 25.0, 640, 480, "0" * 64, None)
    cut = read_video(ROW | {"start_s": 1.5, "end_s": 2.0, "bbox": "1,2,30,40"})
    assert (cut.start_s, cut.end_s, cut.bbox) == (1.5, 2.0, (1, 2, 30, 40))
    with pytest.raises(ValueError, match="bbox 'here'"):
        read_video(ROW | {"bbox": "here"})


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"video_id": "b"}, True),
        ({"path": "elsewhere/b.mp4"}, True),
        ({"sha256": "1" * 64}, False),
        ({"start_s": 0.0}, False),
        ({"end_s": 1.0}, False),
        ({"fps": 30.0}, False),
        ({"bbox": (0.0, 0.0, 10.0, 10.0)}, False),
    ],
)
def test_identity_is_content_cut_rate_and_box(change: dict[str, Any], same: bool) -> None:
    video = read_video(ROW)
    assert len(video.identity) == 32
    assert (replace(video, **change).identity == video.identity) == same
