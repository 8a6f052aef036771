"""Folders of frames: order, what is no frame, what is missing or damaged, and images of every kind."""

import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seds.video import VideoError, VideoInfo, content_hash, frame_files, frames, probe

HEIGHT, WIDTH = 24, 32


def picture(level: int) -> np.ndarray:
    image = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
    image[:8, :8] = (250, 10, 10)
    return image


def folder_of(folder: Path, names: list[str]) -> Path:
    """Image i of the names has the brightness 10 i."""
    folder.mkdir()
    for i, name in enumerate(names):
        Image.fromarray(picture(10 * i)).save(folder / name)
    return folder


def png(width: int, height: int, bits: int, content: bytes) -> bytes:
    """An RGB file written chunk by chunk, for what Pillow does not write: a false size, 16 bits of colour."""
    chunks = {b"IHDR": struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0), b"IDAT": content, b"IEND": b""}
    sealed = (struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(sealed)


@pytest.fixture
def phoenix(tmp_path: Path) -> Path:
    return folder_of(tmp_path / "01April_2010", [f"images{i:04d}.png" for i in range(1, 13)])


def levels(images: Iterator[np.ndarray]) -> list[int]:
    return [round(float(image[12:, 12:].mean()) / 10) for image in images]


def test_every_frame_once_in_order(phoenix: Path) -> None:
    assert probe(phoenix, fps=25) == VideoInfo(frames=12, fps=25.0, width=WIDTH, height=HEIGHT)
    images = list(frames(phoenix))
    assert all(np.array_equal(image, picture(10 * i)) for i, image in enumerate(images))
    assert {(image.dtype, image.flags.c_contiguous, image.flags.writeable) for image in images} == {
        (np.dtype(np.uint8), True, True)
    }


@pytest.mark.parametrize(
    "names",
    [
        ["8.jpg", "9.jpg", "10.jpg", "11.jpg"],
        ["000000.JPG", "000001.jpg", "000002.jpeg", "000003.jpg"],
        ["-7E2_10-5-rgb_front_000098.jpg", "-7E2_10-5-rgb_front_000099.jpg", "-7E2_10-5-rgb_front_000100.jpg"],
        ["0.png", "33.png", "67.png", "100.png", "133.png"],  # times, ms
        ["frame2.png", "frame4.png", "frame6.png"],  # every second one
        ["only.png"],
    ],
)
def test_numbers_order_the_names(tmp_path: Path, names: list[str]) -> None:
    folder = folder_of(tmp_path / "video", names)
    assert [file.name for file in frame_files(folder)] == names
    assert levels(frames(folder)) == list(range(len(names)))


def test_other_files_are_no_frames(phoenix: Path) -> None:
    before = content_hash(phoenix)
    for name in ("Thumbs.db", ".DS_Store", "._images0001.png", "images0013.png.part", "readme.txt", "desktop.ini"):
        (phoenix / name).write_bytes(b"not a frame")
    (phoenix / "crops").mkdir()
    assert levels(frames(phoenix)) == list(range(12))
    assert probe(phoenix, 25).frames == 12
    assert content_hash(phoenix) == before


def test_cuts_by_time_meet_without_gap_or_overlap(phoenix: Path) -> None:
    assert levels(frames(phoenix, 0.08, 0.2, fps=25)) == [2, 3, 4]
    assert levels(frames(phoenix, None, 0.2, 25)) + levels(frames(phoenix, 0.2, None, 25)) == list(range(12))
    thirds = [i * 12 / 29.97 / 3 for i in range(4)]
    cuts = [levels(frames(phoenix, start, end, 29.97)) for start, end in pairwise(thirds)]
    assert list(chain(*cuts)) == list(range(12))
    with pytest.raises(VideoError, match="no frame between 9 s and 10 s"):
        list(frames(phoenix, 9, 10, 25))


@pytest.mark.parametrize("fps", [None, 0, -25, float("nan")])
def test_the_frame_rate_is_the_corpus_s_to_say(phoenix: Path, fps: float | None) -> None:
    with pytest.raises(VideoError, match=f"01April_2010: .* its corpus must give it; got fps {fps}"):
        probe(phoenix, fps)
    with pytest.raises(VideoError, match=f"01April_2010: .* needs its frame rate; got fps {fps}"):
        list(frames(phoenix, 0.1, 0.2, fps))


def test_frames_may_be_links_out_of_the_folder(phoenix: Path, tmp_path: Path) -> None:
    links = tmp_path / "links"
    links.mkdir()
    for i, file in enumerate(frame_files(phoenix)):
        (links / f"{i}.png").symlink_to(file)
    assert levels(frames(links)) == list(range(12))
    (links / "11.png").unlink()
    (links / "11.png").symlink_to(tmp_path / "gone.png")
    for read in (lambda: probe(links, 25), lambda: list(frames(links))):
        with pytest.raises(VideoError, match=r"11\.png: cannot be read: No such file"):
            read()


def test_a_missing_frame_is_told(phoenix: Path) -> None:
    (phoenix / "images0005.png").unlink()
    (phoenix / "images0006.png").unlink()
    for read in (lambda: probe(phoenix, 25), lambda: list(frames(phoenix))):
        with pytest.raises(VideoError, match=r"images0007\.png: follows images0004\.png; of 12 frames 2 are missing"):
            read()


@pytest.mark.parametrize(
    ("stray", "reason"),
    [("cover.png", "is not numbered like"), ("images0003.jpg", "has the same number as images0003"),
     ("images003.png", "has the same number as images0003"), ("other0003.png", "is not numbered like")],
)  # fmt: skip
def test_a_name_without_its_place_is_told(phoenix: Path, stray: str, reason: str) -> None:
    Image.fromarray(picture(0)).save(phoenix / stray)
    with pytest.raises(VideoError, match=reason):
        probe(phoenix, 25)


def test_a_folder_without_frames(tmp_path: Path) -> None:
    assert frame_files(tmp_path) == []
    for read in (lambda: probe(tmp_path, 25), lambda: list(frames(tmp_path)), lambda: content_hash(tmp_path)):
        with pytest.raises(VideoError, match="a folder without a PNG or JPEG frame"):
            read()


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (lambda content: b"", "is empty"),
        (lambda content: content[: len(content) * 4 // 5], "damaged: .*truncated"),
        (lambda content: content[:10], "is not a readable PNG or JPEG|damaged"),
        (lambda content: b"hello" * 100, "is not a readable PNG or JPEG"),
        (lambda content: b"GIF89a" + content[6:], "is not a readable PNG or JPEG"),
    ],
)
def test_a_damaged_image_is_named(tmp_path: Path, suffix: str, harm: Callable[[bytes], bytes], reason: str) -> None:
    folder = folder_of(tmp_path / "video", [f"{i}.{suffix}" for i in range(4)])
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(folder / f"2.{suffix}")
    (folder / f"2.{suffix}").write_bytes(harm((folder / f"2.{suffix}").read_bytes()))
    images = frames(folder)
    assert [next(images).shape for _ in range(2)] == [(HEIGHT, WIDTH, 3)] * 2
    with pytest.raises(VideoError, match=rf"video/2\.{suffix}: ({reason})"):
        next(images)


def test_a_flipped_byte_in_a_png_is_noticed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "video", ["1.png"])
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)).save(folder / "1.png")
    content = bytearray((folder / "1.png").read_bytes())
    content[len(content) // 2] ^= 0x10
    (folder / "1.png").write_bytes(content)
    with pytest.raises(VideoError, match=r"1\.png: damaged"):
        list(frames(folder))


def test_an_empty_image_anywhere_is_told_before_decoding(phoenix: Path) -> None:
    (phoenix / "images0012.png").write_bytes(b"")
    with pytest.raises(VideoError, match=r"images0012\.png: is empty"):
        probe(phoenix, 25)


def test_frames_of_another_size_are_told(phoenix: Path) -> None:
    Image.fromarray(picture(0)[:, :30]).save(phoenix / "images0004.png")
    with pytest.raises(VideoError, match=r"images0004\.png: is 30x24, the frames before it were 32x24"):
        list(frames(phoenix))


def test_a_picture_too_large_for_any_memory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(png(30000, 30000, 8, b""))
    Image.new("1", (8193, 8192)).save(tmp_path / "2.png")
    with pytest.raises(VideoError, match=r"1\.png: frames of more than 67108864 px are refused"):
        probe(tmp_path, 25)
    (tmp_path / "1.png").unlink()
    with pytest.raises(VideoError, match=r"2\.png: frames of more than 67108864 px are refused"):
        probe(tmp_path, 25)


def the_frame(tmp_path: Path, image: Image.Image, name: str = "1.png", **options: object) -> np.ndarray:
    image.save(tmp_path / name, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (frame,) = frames(tmp_path)
    assert (frame.dtype, frame.shape[2]) == (np.uint8, 3)
    return frame


def test_grey_and_palette_images(tmp_path: Path) -> None:
    grey = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 80
    eight = (grey >> 8).astype(np.uint8)
    expected = np.repeat(eight[..., None], 3, axis=2)
    assert np.array_equal(the_frame(tmp_path, Image.fromarray(eight)), expected)
    assert np.array_equal(the_frame(tmp_path, Image.fromarray(grey)), expected), "16 bits"
    assert np.array_equal(the_frame(tmp_path, Image.fromarray(eight > 100)), (expected > 100) * np.uint8(255)), "1 bit"
    palette = Image.fromarray(picture(80)).quantize(4)
    assert np.array_equal(the_frame(tmp_path, palette), np.asarray(palette.convert("RGB")))
    (tmp_path / "1.png").unlink()
    assert np.abs(the_frame(tmp_path, Image.fromarray(eight), "1.jpg").astype(int) - expected).mean() < 3


def test_sixteen_bits_of_colour_are_reduced(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 65536, (HEIGHT, WIDTH, 3), np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in image)
    (tmp_path / "1.png").write_bytes(png(WIDTH, HEIGHT, 16, zlib.compress(rows)))
    (frame,) = frames(tmp_path)
    assert np.array_equal(frame, (image >> 8).astype(np.uint8))


def test_transparency_is_shown_over_black(tmp_path: Path) -> None:
    image = np.dstack([picture(200), np.full((HEIGHT, WIDTH), 255, np.uint8)])
    image[:, 16:, 3] = 0
    image[12:, :, 3] //= 2
    expected = np.rint(image[..., :3] * (image[..., 3:] / 255))
    assert np.array_equal(the_frame(tmp_path, Image.fromarray(image)), expected)
    assert np.array_equal(
        the_frame(tmp_path, Image.fromarray(image).convert("LA")).ptp(axis=2), np.zeros((HEIGHT, WIDTH))
    )
    palette = Image.fromarray(np.zeros((HEIGHT, WIDTH), np.uint8), "P")
    palette.putpalette([90, 80, 70])
    assert np.array_equal(the_frame(tmp_path, palette)[0, 0], (90, 80, 70))
    assert not the_frame(tmp_path, palette, transparency=0).any()
    assert not the_frame(tmp_path, palette, transparency=bytes([0])).any()


def test_a_cmyk_jpeg_shows_its_colours(tmp_path: Path) -> None:
    frame = the_frame(tmp_path, Image.fromarray(picture(200)).convert("CMYK"), "1.jpg", quality=100).astype(int)
    assert np.abs(frame[2:6, 2:6] - (250, 10, 10)).max() < 6
    assert np.abs(frame[12:, 12:] - 200).max() < 6


@pytest.mark.parametrize("name", ["1.jpg", "1.png"])
@pytest.mark.parametrize(
    ("orientation", "corner"),  # where the red corner of the stored image goes: top?, left?
    [(1, (True, True)), (2, (True, False)), (3, (False, False)), (4, (False, True)),
     (5, (True, True)), (6, (True, False)), (7, (False, False)), (8, (False, True))],
)  # fmt: skip
def test_exif_orientation_is_applied(tmp_path: Path, name: str, orientation: int, corner: tuple[bool, bool]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    frame = the_frame(tmp_path, Image.fromarray(picture(200)), name, exif=exif).astype(int)
    height, width = frame.shape[:2]
    assert (width, height) == ((HEIGHT, WIDTH) if orientation >= 5 else (WIDTH, HEIGHT))
    ys, xs = np.nonzero(np.abs(frame - (250, 10, 10)).sum(axis=2) < 90)
    assert (ys.mean() < height / 2, xs.mean() < width / 2) == corner
    info = probe(tmp_path, 25)
    assert (info.width, info.height) == (width, height)


def test_content_hash_follows_names_and_bytes_wherever_they_lie(tmp_path: Path) -> None:
    one, two = (folder_of(tmp_path / name, ["1.png", "2.png"]) for name in ("one", "two"))
    assert content_hash(one) == content_hash(two)
    assert len(content_hash(one)) == 64
    seen = {content_hash(one)}
    (two / "2.png").rename(two / "3.png")
    seen.add(content_hash(two))
    (two / "1.png").rename(two / "2.png")
    seen.add(content_hash(two))
    Image.fromarray(picture(33)).save(two / "2.png")
    seen.add(content_hash(two))
    assert len(seen) == 4
