"""What is played of a clip of one's own."""

from pathlib import Path

import pytest
from helpers.films import film
from helpers.served import write_mpeg4

from seds import video
from seds.serve import films
from seds.serve.confined import Confined
from seds.serve.media import Film
from seds.serve.site import Site


def playable(path: Path, scratch: Path, file_mb: int) -> Film | None:
    """As the site of a server would have it, whose processes write files of that size."""
    site = Site.__new__(Site)  # of which only these are used
    site._scratch, site._vets = scratch, Confined(films.build, 500)
    site._films = Confined(films.build, 500, file_mb)
    try:
        return site._playable(path, video.probe(path))
    finally:
        site._vets.close()
        site._films.close()


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def test_what_browsers_play_is_played_as_it_is(tmp_path: Path, scratch: Path) -> None:
    path = film(tmp_path / "clip.mp4")
    assert playable(path, scratch, 0) == Film(path, "video/mp4", 0.0, None)
    assert list(scratch.iterdir()) == []


def test_of_another_a_film_is_made_and_where_none_can_be_nothing_is_left(tmp_path: Path, scratch: Path) -> None:
    path = write_mpeg4(tmp_path / "clip.avi")
    assert playable(path, scratch, 0) is None, "a disk that takes nothing"
    assert list(scratch.iterdir()) == []
    made = playable(path, scratch, 10)
    assert made is not None
    assert video.probe(made.path).frames == video.probe(path).frames
