"""Keypoints drawn as a film and as a picture."""

import av
import numpy as np
from helpers import shown
from PIL import Image

from seds.serve.skeletons import Skeleton, Skeletons, write_film, write_picture


def skeleton() -> Skeleton:
    times = np.arange(shown.FRAMES) / shown.FPS
    times[10:] += 0.3  # a camera that slowed down
    return Skeleton(shown.keypoints(), times, shown.FPS, shown.WIDTH, shown.HEIGHT, (0, 0))


def test_film_has_every_frame_at_its_time_and_moves(tmp_path):
    write_film(tmp_path / "a.mp4", skeleton())
    with av.open(str(tmp_path / "a.mp4")) as container:
        frames = [(frame.time, frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    np.testing.assert_allclose([time for time, _ in frames], skeleton().times, atol=1e-3)
    first, last = frames[0][1].astype(int), frames[-1][1].astype(int)
    assert first.shape == (360, 480, 3)
    left, right = slice(240, None), slice(None, 240)  # the left hand drifts, the right one rests
    assert np.abs(first - last)[:, left].max() > 100
    assert np.abs(first - last)[:, right].max() < 50


def test_picture_is_a_small_jpeg(tmp_path):
    write_picture(tmp_path / "a.jpg", skeleton())
    with Image.open(tmp_path / "a.jpg") as picture:
        assert (picture.format, picture.size) == ("JPEG", (320, 240))
        assert np.asarray(picture).max() > 150


def test_a_folder_without_keypoints_has_no_skeleton(tmp_path):
    assert Skeletons(tmp_path).find({"video_id": "a", "fps": 25.0, "width": 1, "height": 1}) is None
