"""What videos come as: codecs, pixel formats, colour spaces, and faults; each file is written here by PyAV."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from PIL import Image

from seds.video import VideoError, VideoInfo, content_hash, frames, probe

# Red, green, blue and olive, clockwise from the top left: saturated enough to tell BT.601 from BT.709.
QUARTERS = np.array([[[220, 30, 30], [30, 200, 40]], [[40, 50, 210], [200, 200, 60]]])
COUNT = 6


def coloured(width: int, height: int) -> np.ndarray:
    return np.repeat(np.repeat(QUARTERS, height, axis=0), width, axis=1)[::2, ::2][:height, :width].astype(np.uint8)


def write(
    path: Path,
    codec: str,
    pixels: str,
    size: tuple[int, int] = (64, 48),
    *,
    space: Colorspace | None = None,
    full_range: bool = False,
    images: list[np.ndarray] | None = None,
    aspect: Fraction | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """A video of `images`, by default of COUNT times the four colours; width and height are those of the images."""
    images = images or [coloured(*size)] * COUNT
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options or {})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt, stream.bit_rate = pixels, 4_000_000
        if aspect:
            stream.sample_aspect_ratio = aspect
        if space is not None:
            stream.codec_context.colorspace = space
        range_ = ColorRange.JPEG if full_range else None
        if full_range:
            stream.codec_context.color_range = range_
        for image in images:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24" if image.shape[2] == 3 else "rgba")
            # Bicubic, or the conversion to 4:2:0 takes every second column's colour alone.
            container.mux(
                stream.encode(
                    frame.reformat(format=pixels, dst_colorspace=space, dst_color_range=range_, interpolation="BICUBIC")
                )
            )
        container.mux(stream.encode())
    return path


def moving(count: int = 60) -> list[np.ndarray]:
    noise = np.random.default_rng(0).integers(0, 255, (24, 32, 3)).astype(np.uint8)
    smooth = cv2.resize(noise, (320, 240))
    return [np.roll(smooth, 5 * i, axis=1) for i in range(count)]


def quarters(image: np.ndarray) -> np.ndarray:
    """float [2,2,3]: the mean colour of each quarter's middle."""
    height, width = image.shape[0] // 2, image.shape[1] // 2
    middle = slice(height // 4, 3 * height // 4), slice(width // 4, 3 * width // 4)
    return np.array(
        [[image[y:, x:][:height, :width][middle].mean(axis=(0, 1)) for x in (0, width)] for y in (0, height)]
    )


X265 = {"x265-params": "log-level=none"}
OPEN_GROUPS = {"x264-params": "open-gop=1:keyint=20:min-keyint=20:bframes=3:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "codec", "pixels", "size", "options"),
    [
        ("h264.mp4", "libx264", "yuv420p", (64, 48), {}),
        ("h264_444.mp4", "libx264", "yuv444p", (64, 48), {}),
        ("h264_10.mp4", "libx264", "yuv420p10le", (64, 48), {}),
        ("h264_odd.mp4", "libx264", "yuv444p", (65, 49), {}),
        ("h264_interlaced.mp4", "libx264", "yuv420p", (64, 48), {"flags": "+ildct+ilme"}),
        ("h265.mp4", "libx265", "yuv420p", (64, 48), X265),
        ("h265_10.mkv", "libx265", "yuv420p10le", (64, 48), X265),
        ("vp9.webm", "libvpx-vp9", "yuv420p", (64, 48), {}),
        ("vp9_odd.webm", "libvpx-vp9", "yuv420p", (65, 49), {}),
        ("av1.mp4", "libsvtav1", "yuv420p", (96, 64), {"preset": "12", "svtav1-params": "lp=1"}),
        ("mjpeg.avi", "mjpeg", "yuvj420p", (64, 48), {}),
        ("mpeg2.mpg", "mpeg2video", "yuv420p", (64, 48), {}),
        ("mpeg2.ts", "mpeg2video", "yuv420p", (64, 48), {}),
        ("prores.mov", "prores_ks", "yuv422p10le", (64, 48), {}),
        ("ffv1_odd.mkv", "ffv1", "bgr0", (65, 49), {}),
        ("animation.gif", "gif", "rgb8", (65, 49), {}),
    ],
)
def test_codecs_sizes_and_pixel_formats(
    tmp_path: Path, name: str, codec: str, pixels: str, size: tuple[int, int], options: dict[str, str]
) -> None:
    path = write(tmp_path / name, codec, pixels, size, full_range=pixels == "yuvj420p", options=options)
    assert probe(path) == VideoInfo(frames=COUNT, fps=25.0, width=size[0], height=size[1])
    images = list(frames(path))
    assert len(images) == COUNT
    for image in images:
        assert (image.dtype, image.shape, image.flags.c_contiguous) == (np.uint8, (size[1], size[0], 3), True)
        assert np.abs(quarters(image) - QUARTERS).max() <= 5


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(
    ("space", "full_range"),
    [(Colorspace.ITU601, False), (Colorspace.ITU709, False), (Colorspace.ITU709, True), (Colorspace.BT2020, False)],
)
def test_tagged_colours_are_decoded_by_their_tags(
    tmp_path: Path, pixels: str, space: Colorspace, full_range: bool
) -> None:
    path = write(tmp_path / "a.mp4", "libx264", pixels, space=space, full_range=full_range)
    for image in frames(path):
        assert np.abs(quarters(image) - QUARTERS).max() <= 5


def test_grey_video_is_grey_rgb(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mkv", "ffv1", "gray")
    image = next(frames(path))
    assert image.shape == (48, 64, 3)
    assert np.ptp(image, axis=2).max() == 0
    assert np.abs(image[:, :, 0].mean() - (QUARTERS @ [0.299, 0.587, 0.114]).mean()) < 2


@pytest.mark.parametrize(("name", "codec", "pixels"), [("a.mkv", "ffv1", "bgra"), ("a.mov", "qtrle", "argb")])
def test_transparency_is_shown_over_black(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    image = np.dstack([coloured(64, 48), np.full((48, 64), 255, np.uint8)])
    image[:, :32, 3] = 0
    image[:24, :, 3] //= 2
    shown = next(frames(write(tmp_path / name, codec, pixels, images=[image] * 3)))
    assert np.array_equal(shown, np.rint(image[..., :3] * (image[..., 3:] / 255)))


def test_pixels_that_are_not_square_stay_as_stored(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", "libx264", "yuv420p", aspect=Fraction(64, 45))
    assert (probe(path).width, probe(path).height) == (64, 48)
    assert next(frames(path)).shape == (48, 64, 3)


@pytest.mark.parametrize(
    ("name", "codec", "least_told"),
    [
        ("a.mp4", "libx264", 8),
        ("a.mkv", "libx264", 8),
        ("a.avi", "mpeg4", 8),
        ("a.ts", "mpeg2video", 8),
        ("a.webm", "libvpx-vp9", 1),
        ("a.mp4", "libx265", 0),
    ],
)
def test_damage_in_the_middle(tmp_path: Path, name: str, codec: str, least_told: int) -> None:
    """Ten times 200 lost bytes. Decoders paint over what they lose; their mark tells such frames from real ones."""
    path = write(tmp_path / name, codec, "yuv420p", images=moving(40), options=X265 if codec == "libx265" else {})
    content = path.read_bytes()
    told = []
    for seed in range(10):
        harmed = bytearray(content)
        at = len(content) // 4 + seed * len(content) // 20
        harmed[at : at + 200] = np.random.default_rng(seed).bytes(200)
        path.write_bytes(harmed)
        shapes = []
        try:
            shapes += [image.shape for image in frames(path)]
        except VideoError as error:
            told.append(str(error))
        else:
            assert 37 <= len(shapes) <= 40
        assert set(shapes) <= {(240, 320, 3)}
    assert len(told) >= least_told
    assert all(str(path) in message for message in told)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_cut_without_encoding_anew_is_sound(tmp_path: Path, name: str) -> None:
    """It begins with a key frame whose open group of pictures refers to frames that the cut left out."""
    whole = write(tmp_path / f"whole_{name}", "libx264", "yuv420p", images=moving(), options=OPEN_GROUPS)
    with av.open(str(whole)) as source, av.open(str(tmp_path / name), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        keys = 0
        for packet in source.demux(source.streams.video[0]):
            keys += packet.is_keyframe
            if packet.dts is not None and keys >= 2:
                packet.stream = stream
                target.mux(packet)
    kept = list(frames(tmp_path / name))
    assert len(kept) in (20, 40)
    last = [image.astype(int) for image in frames(whole)][-len(kept) :]
    assert max(np.abs(a - b).max() for a, b in zip(kept[5:], last[5:], strict=True)) == 0


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("open.mp4", "libx264", OPEN_GROUPS),
        ("open.ts", "libx264", OPEN_GROUPS),
        ("refresh.mp4", "libx264", {"x264-params": "intra-refresh=1:keyint=20"}),
        ("a.mpg", "mpeg2video", {"bf": "2", "g": "12"}),
        ("a.webm", "libvpx-vp9", {"g": "20"}),
    ],
)
def test_a_cut_by_time_is_that_part_of_the_whole(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    """However far back the frames lie that its first ones refer to."""
    path = write(tmp_path / name, codec, "yuv420p", images=moving(80), options=options)
    whole = list(frames(path))
    assert len(whole) == 80
    for first, last in ((5, 15), (41, 55), (75, 80)):
        cut = list(frames(path, first / 25, last / 25))
        assert len(cut) == last - first
        assert all(np.array_equal(a, b) for a, b in zip(cut, whole[first:last], strict=True))


@pytest.mark.parametrize(
    ("name", "codec", "size", "rate"),
    [
        ("a.mxf", "mpeg2video", (64, 48), 25),
        ("a.dv", "dvvideo", (720, 576), 25),
        ("a.y4m", "wrapped_avframe", (64, 48), 10),
        ("a.apng", "apng", (64, 48), 10),
    ],
)
def test_formats_of_cameras_and_tools_are_read(
    tmp_path: Path, name: str, codec: str, size: tuple[int, int], rate: int
) -> None:
    levels = [20 + 10 * i for i in range(12)]
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "rgb24" if codec == "apng" else "yuv420p"
        for level in levels:
            image = np.full((size[1], size[0], 3), level, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    info = probe(tmp_path / name)
    assert (info.frames, info.fps, info.width, info.height) == (12, rate, *size)
    assert [image.mean() for image in frames(tmp_path / name)] == pytest.approx(levels, abs=2)
    assert [image.mean() for image in frames(tmp_path / name, 3 / rate, 5 / rate)] == pytest.approx([50, 60], abs=2)


@pytest.mark.parametrize("name", ["a.webp", "a.tiff", "a.bmp", "a.m3u8"])
def test_format_that_is_not_read_is_told(tmp_path: Path, name: str) -> None:
    if name == "a.m3u8":
        (tmp_path / name).write_text("#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nb.ts\n")
    else:
        Image.new("RGB", (64, 48)).save(tmp_path / name)
    with pytest.raises(VideoError, match="is not a readable video: its format is not one of those that are read; conv"):
        probe(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("a.mp4", "has no video stream"),
        ("a.mkv", "is not a readable video: End of file"),
        ("a.avi", "has a video stream without a single frame|has no frame"),
    ],
)
def test_a_video_of_no_frame(tmp_path: Path, name: str, reason: str) -> None:
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()
    for read in (probe, lambda path: list(frames(path))):
        with pytest.raises(VideoError, match=rf"{name}: ({reason})"):
            read(tmp_path / name)


@pytest.mark.parametrize(("width", "height"), [(65535, 65535), (8193, 8192)])
def test_a_frame_too_large_for_any_memory_is_refused(tmp_path: Path, width: int, height: int) -> None:
    """A GIF of 60 bytes, of one pixel on a canvas of gigabytes."""
    canvas = b"GIF89a" + struct.pack("<HH", width, height) + b"\xf0\0\0" + b"\0\0\0\xff\xff\xff"
    pixel = b"," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0;"
    (tmp_path / "a.gif").write_bytes(canvas + pixel)
    for read in (probe, lambda path: list(frames(path))):
        with pytest.raises(VideoError, match=r"a\.gif: .* more than 67108864 px"):
            read(tmp_path / "a.gif")


def test_a_frame_size_that_changes_is_told(tmp_path: Path) -> None:
    """Two MPEG transport streams, one after the other in a file, as broadcasts are recorded."""
    small = write(tmp_path / "small.ts", "mpeg2video", "yuv420p", (64, 48)).read_bytes()
    large = write(tmp_path / "large.ts", "mpeg2video", "yuv420p", (96, 64)).read_bytes()
    (tmp_path / "a.ts").write_bytes(small + large)
    with pytest.raises(VideoError, match=r"a\.ts: frame \d+ is 96x64, the first was 64x48"):
        list(frames(tmp_path / "a.ts"))


def test_a_file_s_own_rate_counts_and_its_bytes_are_its_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "a.mp4", "libx264", "yuv420p")
    assert probe(path, fps=50) == probe(path)
    assert len(list(frames(path, 0.08, 0.16, fps=50))) == 2
    copy = tmp_path / "copy.mkv"
    copy.write_bytes(path.read_bytes())
    assert content_hash(copy) == content_hash(path)
    copy.write_bytes(path.read_bytes() + b"\0")
    assert content_hash(copy) != content_hash(path)
