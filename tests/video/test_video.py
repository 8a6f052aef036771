"""Decoding files that are written here by PyAV: sound, turned, cut, damaged, and no videos at all."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from seds.video import VideoError, VideoInfo, frames, probe

RED = np.array([250, 10, 10])


def write(
    path: Path,
    count: int = 50,
    *,
    codec: str = "libx264",
    rate: int = 25,
    times: list[int] | None = None,
    turn: tuple[float, bool] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A 64x48 video whose top left corner is red and whose frame i has the brightness 4 i elsewhere."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.bit_rate = 4_000_000
        if turn:
            stream.set_display_rotation(turn[0], hflip=turn[1])
        for i in range(count):
            image = np.full((48, 64, 3), 4 * i, np.uint8)
            image[:16, :16] = RED
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = (times[i] if times else i), Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def numbers(path: Path, start_s: float | None = None, end_s: float | None = None) -> list[int]:
    """Which frames were decoded, by their brightness."""
    return [round(float(image[32:, 32:].mean()) / 4) for image in frames(path, start_s, end_s)]


def cut_short(path: Path, share: float) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("fragmented.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mkv", "libx264", {}),
        ("a.webm", "libvpx", {}),
        ("a.avi", "mpeg4", {}),
    ],
)
def test_every_frame_of_common_formats(tmp_path: Path, name: str, codec: str, options: dict) -> None:
    path = write(tmp_path / name, codec=codec, container_options=options)
    assert probe(path) == VideoInfo(frames=50, fps=25.0, width=64, height=48)
    assert numbers(path) == list(range(50))
    image = next(frames(path))
    assert (image.dtype, image.shape) == (np.uint8, (48, 64, 3))
    assert np.abs(image[:12, :12].mean(axis=(0, 1)) - RED).max() < 15, "the channels are RGB"


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_cuts_by_time_meet_without_gap_or_overlap(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    assert numbers(path, 0.4, 0.8) == list(range(10, 20))
    assert numbers(path, None, 1.0) + numbers(path, 1.0) == list(range(50))


def test_variable_frame_rate_keeps_each_frame_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", 20, times=[i if i < 10 else 10 + 5 * (i - 10) for i in range(20)])
    assert numbers(path) == list(range(20))
    assert numbers(path, 0.4, 1.0) == [10, 11, 12], "0.4, 0.6 and 0.8 s"
    assert probe(path).frames == 20
    assert 9 < probe(path).fps < 10.5, "20 frames in 2 s"


@pytest.mark.parametrize(
    ("degrees", "mirrored", "corner"),  # counter-clockwise, then mirrored; where the red corner goes: top?, left?
    [
        (0, True, (True, False)),
        (90, False, (False, True)),
        (90, True, (False, False)),
        (180, False, (False, False)),
        (-90, False, (True, False)),
        (-90, True, (True, True)),
    ],
)
def test_rotation_and_mirroring_are_applied(
    tmp_path: Path, degrees: int, mirrored: bool, corner: tuple[bool, bool]
) -> None:
    path = write(tmp_path / "a.mp4", 3, turn=(degrees, mirrored))
    image = next(frames(path)).astype(int)
    ys, xs = np.nonzero(np.abs(image - RED).sum(axis=2) < 90)
    height, width = image.shape[:2]
    assert (width, height) == ((48, 64) if abs(degrees) == 90 else (64, 48))
    assert (ys.mean() < height / 2, xs.mean() < width / 2) == corner
    assert (probe(path).width, probe(path).height) == (width, height)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("a.mp4", "libx264", {"movflags": "faststart"}), ("a.mkv", "libx264", {}), ("a.avi", "mpeg4", {})],
)
def test_truncated_file_names_frames_got_and_promised(tmp_path: Path, name: str, codec: str, options: dict) -> None:
    path = cut_short(write(tmp_path / name, codec=codec, container_options=options), 0.8)
    with pytest.raises(VideoError, match=rf"{name}.* 50"):
        list(frames(path))


def test_truncated_before_its_index(tmp_path: Path) -> None:
    path = cut_short(write(tmp_path / "a.mp4"), 0.8)
    for read in (probe, lambda path: list(frames(path))):
        with pytest.raises(VideoError, match=r"a\.mp4: is not a readable video"):
            read(path)


def test_what_is_no_video_is_named_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello " * 50)
    write(tmp_path / "a.mp4", 3)
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        sound.sample_rate = 16000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for name, reason in {
        "missing.mp4": "no such file",
        "empty.mp4": "is empty",
        "text.mp4": "is not a readable video",
        "list.mp4": "is not a readable video",
        "sound.mp4": "has no video stream .*audio",
    }.items():
        for read in (probe, lambda path: list(frames(path))):
            with pytest.raises(VideoError, match=f"{name}: {reason}"):
                read(tmp_path / name)


def test_cut_beyond_the_end(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no frame between 9 s and 10 s"):
        list(frames(write(tmp_path / "a.mp4"), 9, 10))


def test_names_that_look_like_options_or_protocols(tmp_path: Path) -> None:
    for name in ("-a.mp4", "http:a.mp4", "a%d é.mp4"):
        assert len(numbers(write(tmp_path / "plain.mp4", 3).rename(tmp_path / name))) == 3


@pytest.mark.real
def test_real_clips_decode_to_the_frames_they_promise(shared: Path) -> None:
    clips = sorted((shared / "data" / "how2sign" / "test" / "raw_videos").glob("*.mp4"))[:3]
    assert clips
    for clip in clips:
        assert sum(1 for _ in frames(clip)) == probe(clip).frames
