"""What browsers can play, and what is transcoded and taken as a poster, decoded again to see that it is right."""

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from helpers import shown
from helpers.films import film, numbered, two_streams, write_uneven
from helpers.served import write_mpeg4

from seds import video
from seds.serve import video_tasks

HANDLER = video_tasks.build()


def run(do: str, **arguments: object) -> object:
    return video_tasks.read(HANDLER({"do": do, **arguments}, lambda _: None))


def encoded(path: Path, codec: str, pixels: str = "yuv420p") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        for level in range(5):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * level, np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "kind"),
    [
        ("a.mp4", "libx264", "yuv420p", "video/mp4"),
        ("a.mov", "libx264", "yuv420p", "video/mp4"),
        ("a.webm", "libvpx-vp9", "yuv420p", "video/webm"),
        ("deep.mp4", "libx264", "yuv420p10le", None),
        ("full.mp4", "libx264", "yuv444p", None),
        ("a.mkv", "libx264", "yuv420p", None),
        ("a.avi", "mpeg4", "yuv420p", None),
    ],
)
def test_media_type_says_what_browsers_play(
    tmp_path: Path, name: str, codec: str, pixels: str, kind: str | None
) -> None:
    assert run("media_type", path=str(encoded(tmp_path / name, codec, pixels))) == kind


def test_media_type_is_none_where_browsers_show_other_frames(tmp_path: Path) -> None:
    """One whose clock begins late, or with two pictures; a picture that begins after its sound is no such case."""
    for name in ("a.mp4", "a.webm"):
        codec = "libx264" if name == "a.mp4" else "libvpx-vp9"
        late = numbered(tmp_path / f"late_{name}", range(25, 40), codec)
        assert run("media_type", path=str(late)) is None
    beside_sound = numbered(tmp_path / "sound.mp4", range(25, 40), sound_s=0.0)
    assert run("media_type", path=str(beside_sound)) == "video/mp4"
    assert run("media_type", path=str(two_streams(tmp_path / "two.mp4", {1}))) is None


def test_transcoded_video_begins_with_its_sound(tmp_path: Path) -> None:
    source, output = numbered(tmp_path / "a.ts", range(25, 50), sound_s=0.0), tmp_path / "film.mp4"
    run("transcode", path=str(source), output=str(output), start_s=None, end_s=None, fps=25.0, seconds=2.0)
    begins = [frame.begin for frame in video.timed_frames(source)]
    assert begins[0] > 1
    np.testing.assert_allclose([frame.begin for frame in video.timed_frames(output)][1:], begins[1:], atol=1e-4)


def test_vet_measures_the_stream_that_is_read(tmp_path: Path) -> None:
    clip = two_streams(tmp_path / "two.mkv", set())
    facts = run("vet", path=str(clip), max_frames=50, max_pixels=160 * 120, max_s=2)
    assert (facts["frames"], facts["width"], facts["height"]) == (50, 160, 120)


def test_media_type_of_folders_and_other_files_is_none(tmp_path: Path) -> None:
    shown.write_frame_folder(tmp_path / "frames", 2)
    (tmp_path / "text.mp4").write_text("no video")
    for name in ("frames", "text.mp4", "gone.mp4"):
        assert run("media_type", path=str(tmp_path / name)) is None


def test_a_transcoded_folder_is_its_cut_at_its_rate(tmp_path: Path) -> None:
    shown.write_frame_folder(tmp_path / "frames", 20)
    output = tmp_path / "film.partial"  # the cache's name for it
    run("transcode", path=str(tmp_path / "frames"), output=str(output), start_s=0.5, end_s=1.5, fps=10.0, seconds=1.0)
    found = video.probe(output)
    assert (found.frames, found.fps, found.width, found.height) == (10, 10, shown.WIDTH, shown.HEIGHT)
    levels = [frame.mean() for frame in video.frames(output)]
    np.testing.assert_allclose(levels, [shown.grey(i) for i in range(5, 15)], atol=4)
    assert run("media_type", path=str(output)) == "video/mp4"


def test_a_transcoded_video_keeps_the_times_of_its_frames(tmp_path: Path) -> None:
    begins = [0, 0.04, 0.08, 1.5, 1.6, 2.0]
    images = [np.full((48, 64, 3), 40 * i, np.uint8) for i in range(len(begins))]
    source = write_uneven(tmp_path / "paused.mp4", images, begins)
    fps = video.probe(source).fps
    for start, end, expected in ((None, None, begins), (0.06, 1.9, [0, 1.44, 1.54])):  # the first from the start
        output = tmp_path / "film.mp4"
        run("transcode", path=str(source), output=str(output), start_s=start, end_s=end, fps=fps, seconds=2.1)
        np.testing.assert_allclose([frame.begin for frame in video.timed_frames(output)], expected, atol=1e-4)
    assert [round(image.mean() / 40) for image in video.frames(output)] == [2, 3, 4]


def test_a_transcoded_video_has_a_size_that_codecs_accept(tmp_path: Path) -> None:
    for (height, width), size in (((101, 75), (76, 100)), ((1081, 1921), (1280, 720)), ((2000, 400), (256, 1280))):
        source = tmp_path / f"{width}"
        source.mkdir()
        cv2.imwrite(str(source / "1.png"), np.zeros((height, width, 3), np.uint8))
        output = tmp_path / f"{width}.mp4"
        run("transcode", path=str(source), output=str(output), start_s=None, end_s=None, fps=25.0, seconds=0.04)
        assert (video.probe(output).width, video.probe(output).height) == size


def test_a_poster_shows_the_middle_of_the_cut(tmp_path: Path) -> None:
    source = film(tmp_path / "long.mp4", 20, 10)
    output = tmp_path / "picture"
    run("poster", path=str(source), output=str(output), start_s=0.5, end_s=1.5, fps=10.0, seconds=1.0)
    picture = cv2.imread(str(output))
    assert picture.shape == (48, 64, 3)
    assert picture.mean() == pytest.approx(90, abs=4)  # 0.5 s + 0.4 s, and a frame brightens by 10
    run("poster", path=str(source), output=str(output), start_s=1.8, end_s=None, fps=10.0, seconds=9.0)
    assert cv2.imread(str(output)).mean() == pytest.approx(180, abs=4), "shorter than it says: its first frame"


def test_vet_measures_clips_within_the_limits(tmp_path: Path) -> None:
    clip = str(film(tmp_path / "clip.mp4", 12, 10))
    bounds = {"max_frames": 12, "max_pixels": 64 * 48, "max_s": 1.2}
    facts = run("vet", path=clip, **bounds)
    assert facts == {"frames": 12, "seconds": pytest.approx(1.1, abs=0.15), "width": 64, "height": 48}
    for bound, words in (("max_frames", "more than 11 frames"), ("max_pixels", "pixels"), ("max_s", "longer than")):
        with pytest.raises(ValueError, match=words):
            run("vet", path=clip, **bounds | {bound: 0.5 if bound == "max_s" else bounds[bound] - 1})


def test_vet_rejects_files_that_open_others_or_have_no_video(tmp_path: Path) -> None:
    write_mpeg4(tmp_path / "secret.mp4")
    playlist = tmp_path / "list.mp4"
    bounds = {"max_frames": 1000, "max_pixels": 10**6, "max_s": 100}
    for text in (
        f"#EXTM3U\n#EXTINF:2,\n{tmp_path}/secret.mp4\n",
        f"ffconcat version 1.0\nfile {tmp_path}/secret.mp4\n",
    ):
        playlist.write_text(text)
        with pytest.raises(ValueError, match="not a readable video"):
            run("vet", path=str(playlist), **bounds)
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 44_100
        container.mux(stream.encode(silence))
        container.mux(stream.encode(None))
    with pytest.raises(ValueError, match="no readable video"):
        run("vet", path=str(sound), **bounds)
