"""The skeleton as a moving picture."""

import numpy as np
import pytest
from helpers import shown
from PIL import Image

from seds.config import load_params
from seds.show.contact_sheet import open_corpus
from seds.show.moving import MOST_FRAMES, write_webp
from seds.show.quality_page import write_page


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("shown")
    long = shown.keypoints(2 * MOST_FRAMES)
    rows = [shown.row("short", ""), shown.row("long", "", frames=len(long))]
    shown.write_corpus(root, rows, {"short": shown.keypoints(), "long": long})
    return open_corpus(shown.NAME, load_params(root / "params.yaml"), root / "data")


@pytest.mark.parametrize(("video", "frames", "seconds"), [("short", 20, 2.0), ("long", MOST_FRAMES, 30.0)])
def test_picture_moves_for_as_long_as_the_video(corpus, tmp_path, video, frames, seconds):
    write_webp(corpus, video, tmp_path / "a.webp")
    lasts, images = 0, []
    with Image.open(tmp_path / "a.webp") as picture:
        assert frames / 2 < picture.n_frames <= frames  # those that look alike are one that lasts longer
        assert picture.info["loop"] == 0
        for number in range(picture.n_frames):
            picture.seek(number)
            images.append(np.asarray(picture.convert("RGB")).astype(int))
            lasts += picture.info["duration"]
    assert lasts / 1000 == pytest.approx(seconds, abs=0.001 * frames)
    assert np.abs(images[0] - images[-1]).max() > 100


def test_page_of_a_corpus_without_videos_moves(corpus, tmp_path):
    write_page(corpus, tmp_path / "page.html", worst=1, frames=2)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/webp') == 1
