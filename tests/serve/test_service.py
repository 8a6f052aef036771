"""What is played of an uploaded clip."""

from pathlib import Path

import pytest
from helpers.films import film
from helpers.served import write_mpeg4

from seds import video
from seds.serve import video_tasks
from seds.serve.media import PlayableVideo
from seds.serve.sandbox import Sandbox
from seds.serve.service import SearchService


def playable(path: Path, scratch: Path, file_mb: int) -> PlayableVideo | None:
    """What the service would play, if its sandboxes may write files of that size."""
    service = SearchService.__new__(SearchService)  # of which only these are used
    service._scratch, service._vetting = scratch, Sandbox(video_tasks.build, 500)
    service._transcoder = Sandbox(video_tasks.build, 500, file_mb)
    try:
        return service._playable(path, video.probe(path))
    finally:
        service._vetting.close()
        service._transcoder.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_a_clip_that_browsers_can_play_is_played_as_it_is(tmp_path: Path, scratch: Path) -> None:
    path = film(tmp_path / "clip.mp4")
    assert playable(path, scratch, 0) == PlayableVideo(path, "video/mp4", 0.0, None)
    assert list(scratch.iterdir()) == []


def test_any_other_clip_is_transcoded_or_leaves_nothing(tmp_path: Path, scratch: Path) -> None:
    path = write_mpeg4(tmp_path / "clip.avi")
    assert playable(path, scratch, 0) is None, "a full disk"
    assert list(scratch.iterdir()) == []
    transcoded = playable(path, scratch, 10)
    assert transcoded is not None
    assert video.probe(transcoded.path).frames == video.probe(path).frames
