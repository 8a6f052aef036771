"""What containers do to streams and times: lost frames, several streams, clocks of many kinds."""

import struct
from collections.abc import Callable, Collection
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from helpers.films import frame_numbers, numbered, two_streams

from seds.video import frames, probe, timed_frames
from seds.video.container import OpenVideo, open_video
from seds.video.declared import promised

B_FRAMES = {"bf": "2", "g": "12"}
KEPT = [time for time in range(60) if time % 5 != 3]  # of 60 times, every fifth is missing


def begins(path: Path) -> list[float]:
    return [frame.begin for frame in timed_frames(path)]


def without_index(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"idx1")])
    return path


@pytest.mark.parametrize(
    ("codec", "pixels", "options"),
    [("mjpeg", "yuvj420p", {}), ("mpeg4", "yuv420p", {}), ("mpeg4", "yuv420p", B_FRAMES), ("libx264", "yuv420p", {})],
)
@pytest.mark.parametrize("change", [lambda path: path, without_index], ids=["whole", "no index"])
def test_frames_lost_by_the_camera_are_not_counted(
    tmp_path: Path, codec: str, pixels: str, options: dict[str, str], change: Callable[[Path], Path]
) -> None:
    """An AVI has an empty chunk in the place of each, which its header counts."""
    path = change(numbered(tmp_path / "a.avi", KEPT, codec, pixels, options=options))
    info = probe(path)
    assert info.frames == len(KEPT) == 48
    assert info.fps == pytest.approx(20, rel=0.02)
    assert frame_numbers(path) == KEPT
    assert begins(path)[-1] == pytest.approx(59 / 25, abs=0.08), "the others keep their times"


def test_mean_rate_leaves_out_lost_frames(tmp_path: Path) -> None:
    assert probe(numbered(tmp_path / "a.avi", KEPT, "mjpeg", "yuvj420p")).fps == 20
    cut = frame_numbers(tmp_path / "a.avi", 0.4, 0.8)
    assert cut == [10, 11, 12, 14, 15, 16, 17, 19]


def empty_chunks(path: Path, lost: Collection[int]) -> Path:
    """An AVI of 60 frames in which the chunks of some have no bytes; what was in them is filled up."""
    content = bytearray(path.read_bytes())
    at, index = content.index(b"movi") + 4, content.rindex(b"idx1") + 8
    for number in range(60):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if number in lost:
            struct.pack_into("<I4sI", content, at + 4, 0, b"JUNK", size - 8 + size % 2)
            struct.pack_into("<I", content, index + 16 * number + 12, 0)
        at += 8 + size + size % 2
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "lost", [{0, 1, 2}, set(range(40, 60)), set(range(10, 40)), {n for n in range(60) if n % 10}, {58}]
)
def test_empty_chunks_may_be_anywhere(tmp_path: Path, lost: set[int]) -> None:
    kept = [number for number in range(60) if number not in lost]
    path = empty_chunks(numbered(tmp_path / "a.avi", range(60), "mjpeg", "yuvj420p"), lost)
    assert (probe(path).frames, probe(path).fps) == (len(kept), pytest.approx(len(kept) / 2.4))
    assert frame_numbers(path) == kept
    assert begins(path) == pytest.approx(np.array(kept) / 25)
    assert frame_numbers(path, 0.08, 1.68) == [number for number in kept if 2 <= number < 42]


def test_empty_samples_of_quicktime_are_lost_frames(tmp_path: Path) -> None:
    """Their bytes go to the sample before, whose decoder leaves them."""
    path = numbered(tmp_path / "a.mov", range(60), "mjpeg", "yuvj420p")
    content = bytearray(path.read_bytes())
    first = content.index(b"stsz") + 16
    for number in set(range(60)) - set(KEPT):
        before, size = struct.unpack_from(">II", content, first + 4 * number - 4)
        struct.pack_into(">II", content, first + 4 * number - 4, before + size, 0)
    path.write_bytes(content)
    assert (probe(path).frames, probe(path).fps) == (48, 20)
    assert frame_numbers(path) == KEPT
    assert frame_numbers(path, 0.4, 0.8) == [10, 11, 12, 14, 15, 16, 17, 19]


MPEG4_FRAME = b"\0\0\1\xb6"


def not_coded(number: int) -> bytes:
    """A frame of MPEG-4 at 25 fps that shows the one before: type P, its time, a marker, "not coded", stuffing."""
    bits = f"0101{number % 25:05b}10".ljust(12, "0").ljust(16, "1")
    return MPEG4_FRAME + int(bits, 2).to_bytes(2, "big")


def write_mpeg4(path: Path, options: dict[str, str], change: Callable[[list[bytes]], list[bytes]]) -> Path:
    """60 numbered frames, whose packets are changed before they are written, one for each."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, options={"g": "60"} | options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuv420p", 2_000_000
        packets = []
        for number in range(60):
            packets += stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8)))
        packets += stream.encode(None)
        for packet, content in zip(packets, change([bytes(packet) for packet in packets]), strict=True):
            changed = av.Packet(content)
            changed.stream, changed.time_base, changed.is_keyframe = stream, packet.time_base, packet.is_keyframe
            changed.pts, changed.dts, changed.duration = packet.pts, packet.dts, packet.duration
            container.mux(changed)
    return path


@pytest.mark.parametrize("name", ["a.avi", "a.mp4", "a.mkv"])
def test_frames_that_are_not_coded_are_lost_frames(tmp_path: Path, name: str) -> None:
    def lose(packets: list[bytes]) -> list[bytes]:
        return [packet if number in KEPT else not_coded(number) for number, packet in enumerate(packets)]

    path = write_mpeg4(tmp_path / name, {}, lose)
    assert probe(path).frames == 48
    assert probe(path).fps == pytest.approx(20, rel=0.01)
    assert begins(path) == pytest.approx(np.array(KEPT) / 25)
    assert len(frame_numbers(path, 0.4, 0.8)) == 8


def test_frames_packed_in_pairs_are_all_counted(tmp_path: Path) -> None:
    """As DivX writes B frames: I, PB, not coded, PB, not coded."""

    def pack(packets: list[bytes]) -> list[bytes]:
        packed = [b"\0\0\1\xb2DivX503b1393p" + packets[0]]
        for number, packet in enumerate(packets[1:], start=1):
            is_b = packet[packet.index(MPEG4_FRAME) + 4] >> 6 == 2
            if is_b:
                packed[-1] += packet
            packed.append(not_coded(number) if is_b else packet)
        return packed

    path = write_mpeg4(tmp_path / "a.avi", {"bf": "1"}, pack)
    assert probe(path).frames == 60
    assert frame_numbers(path) == list(range(60))
    assert frame_numbers(path, 0.4, 0.8) == list(range(10, 20))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.avi", "mpeg4", B_FRAMES),
        ("h264.avi", "libx264", B_FRAMES),
        ("deep.avi", "libx264", {"bf": "8", "x264-params": "b-adapt=0:keyint=20:scenecut=0:open-gop=1"}),
        ("a.asf", "mpeg4", B_FRAMES),
        ("a.wmv", "wmv2", {}),
        ("a.m2v", "mpeg2video", B_FRAMES),
        ("a.h264", "libx264", B_FRAMES),
        ("a.hevc", "libx265", {"x265-params": "log-level=none"}),
        ("a.mpg", "mpeg2video", B_FRAMES),
        ("a.vob", "mpeg2video", B_FRAMES),
        ("a.ts", "mpeg2video", B_FRAMES),
        ("a.flv", "libx264", B_FRAMES),
        ("a.mov", "mpeg4", B_FRAMES),
        ("a.mkv", "libx264", B_FRAMES),
    ],
)
def test_cut_is_where_its_frames_are_whatever_times_are_stored(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    """Some containers have times of decoding, times of some frames, or none. From 0.4 s on, 25 fps: the 10th frame."""
    path = numbered(tmp_path / name, codec=codec, options=options)
    assert begins(path) == pytest.approx(np.arange(50) / 25)
    for first, last in ((0, 10), (10, 20), (25, 26), (31, 44), (45, 50)):
        assert frame_numbers(path, first / 25, last / 25) == list(range(first, last))


@pytest.mark.parametrize("sound_s", [0.0, 1.0])
def test_clock_of_asf_is_its_own_beside_sound(tmp_path: Path, sound_s: float) -> None:
    """FFmpeg takes the start of the sound for that of the picture, of which it knows decoding times only."""
    path = numbered(tmp_path / "a.asf", codec="mpeg4", options=B_FRAMES, sound_s=sound_s)
    assert begins(path) == pytest.approx(np.arange(50) / 25, abs=0.03)
    assert frame_numbers(path, 0.99, 1.39) == list(range(25, 35))


def test_times_of_video_for_windows_are_those_of_decoding(tmp_path: Path) -> None:
    """In Matroska, as made from AVI files."""
    source, path = numbered(tmp_path / "a.avi", codec="mpeg4", options=B_FRAMES), tmp_path / "a.mkv"
    with av.open(str(source)) as avi, av.open(str(path), "w") as matroska:
        stream = matroska.add_stream_from_template(avi.streams.video[0])
        for packet in avi.demux(video=0):
            if packet.size:
                packet.pts, packet.stream = packet.dts, stream
                matroska.mux(packet)
    path.write_bytes(as_video_for_windows(path.read_bytes()))
    with open_video(path) as video:
        assert video.stream.codec_context.codec_tag == "XVID"
    assert begins(path) == pytest.approx(np.arange(50) / 25)
    assert frame_numbers(path, 0.4, 0.8) == list(range(10, 20))


def as_video_for_windows(matroska: bytes) -> bytes:
    """The track's codec as a FourCC. What follows it in the segment is moved, so the sizes around it grow."""
    content = bytearray(matroska.replace(b"V_MPEG4/ISO/ASP", b"V_MS/VFW/FOURCC"))
    at = content.index(b"\x63\xa2", content.index(b"V_MS/VFW/FOURCC"))  # CodecPrivate
    length = content[at + 2] & 0x7F
    header = struct.pack("<IiiHH4s20x", 40 + length, 64, 48, 1, 24, b"XVID")
    tracks = content.index(b"\x16\x54\xae\x6b\x40")
    for start in (content.index(b"\x18\x53\x80\x67") + 4, tracks + 4, content.index(b"\xae\x01", tracks) + 1):
        width = 9 - content[start].bit_length()  # of a number of EBML: its first bit set says so
        grown = int.from_bytes(content[start : start + width], "big") + len(header)
        content[start : start + width] = grown.to_bytes(width, "big")
    content[at + 2 : at + 3] = bytes([0x80 | length + len(header)]) + header
    return bytes(content)


@pytest.mark.parametrize("sound_s", [0.0, 1.0])
def test_frames_of_a_program_stream_are_even_beside_sound(tmp_path: Path, sound_s: float) -> None:
    path = numbered(tmp_path / "a.mpg", codec="mpeg2video", sound_s=sound_s, options={"g": "10"})
    steps = np.diff(begins(path))
    assert steps == pytest.approx(np.full(49, 0.04))


@pytest.mark.parametrize(
    ("name", "default", "shape"),
    [
        ("a.mkv", {0}, (3, 64, 64)),
        ("a.mkv", {1}, (50, 160, 120)),
        ("a.mkv", set(), (50, 160, 120)),
        ("a.mkv", {0, 1}, (50, 160, 120)),
        ("a.mp4", {0}, (3, 64, 64)),
        ("a.mp4", {1}, (50, 160, 120)),
        ("a.mov", {0, 1}, (50, 160, 120)),
        ("a.ts", set(), (50, 160, 120)),
    ],
)
def test_stream_marked_as_default_or_else_the_largest_is_read(
    tmp_path: Path, name: str, default: set[int], shape: tuple[int, int, int]
) -> None:
    info = probe(two_streams(tmp_path / name, default))
    assert (info.frames, info.width, info.height) == shape
    assert sum(1 for _ in frames(tmp_path / name)) == shape[0]
    (remark,) = info.remarks
    assert remark.startswith("several video streams: ")
    assert f"{shape[1]}x{shape[2]} px is read" in remark


def test_one_stream_needs_no_remark(tmp_path: Path) -> None:
    assert probe(numbered(tmp_path / "a.mkv", sound_s=0.0)).remarks == ()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.flv", "a.ts", "a.mpg"])
def test_seconds_count_from_the_first_picture_or_sound(tmp_path: Path, name: str) -> None:
    codec = "mpeg2video" if name == "a.mpg" else "libx264"
    path = numbered(tmp_path / name, range(25, 63), codec, sound_s=0.0, options={"g": "10"})
    priming = {"a.flv": 0.064, "a.ts": 0.064, "a.mpg": 0.030}.get(name, 0.0)  # the coder's sound before the first
    assert probe(path).begin_s == pytest.approx(1 + priming, abs=1e-3)
    assert begins(path) == pytest.approx(1 + priming + np.arange(38) / 25, abs=1e-3)
    assert frame_numbers(path, 1 + priming - 1e-3, 1.4 + priming - 1e-3) == list(range(25, 35))
    assert frame_numbers(path, 2.0 + priming - 1e-3, 2.2 + priming - 1e-3) == list(range(50, 55))
    assert frame_numbers(path, 0.2) == list(range(25, 63))
    late = numbered(tmp_path / f"late_{name}", codec=codec, sound_s=1.0, options={"g": "10"})
    assert probe(late).begin_s == 0
    assert frame_numbers(late, 1.0, 1.4) == list(range(25, 35))


def test_seconds_without_sound_count_from_the_picture(tmp_path: Path) -> None:
    path = numbered(tmp_path / "a.mkv", range(10, 60))
    assert begins(path)[0] == 0
    assert frame_numbers(path, 1.0, 1.4) == list(range(35, 45))


def offset(path: Path, seconds: float) -> Path:
    """A transport stream whose clock begins so late."""
    return numbered(path, options={"g": "12"}, container_options={"output_ts_offset": str(seconds)})


@pytest.mark.parametrize(
    ("name", "clocks"),
    [
        ("a.ts", (0, 0)),
        ("a.ts", (0, 3)),  # as from one recording a second of which was cut out
        ("a.ts", (0, 1000)),
        ("a.ts", (1000, 0)),
        ("a.ts", (95_442, 0, 70_000)),  # the first one wraps round at 95,443.7 s
        ("a.mpg", (0, 0)),
        ("a.vob", (0, 0, 0)),
    ],
)
def test_joined_recordings_have_one_clock(tmp_path: Path, name: str, clocks: tuple[float, ...]) -> None:
    parts = []
    for number, clock in enumerate(clocks):
        part = tmp_path / f"{number}_{name}"
        if name == "a.ts":
            offset(part, clock)
        else:
            numbered(part, codec="mpeg2video", options=B_FRAMES)
        parts.append(part.read_bytes())
    path = tmp_path / name
    path.write_bytes(b"".join(parts))
    info = probe(path)
    assert info.frames == 50 * len(clocks)
    if clocks == (0, 3):
        assert begins(path)[50] == pytest.approx(3, abs=0.1)
        return
    assert info.fps == pytest.approx(25)
    assert [remark.partition(":")[0] for remark in info.remarks] == ["joined recordings"]
    assert begins(path) == pytest.approx(np.arange(50 * len(clocks)) / 25, abs=1e-3)
    assert frame_numbers(path, 0.4, 0.8) == list(range(10, 20))
    assert frame_numbers(path, 1.8, 2.2) == [45, 46, 47, 48, 49, 0, 1, 2, 3, 4]
    assert frame_numbers(path, 2.4, 2.8) == list(range(10, 20))


def test_clock_that_wraps_round_goes_on(tmp_path: Path) -> None:
    path = offset(tmp_path / "a.ts", 95_442.7)
    assert probe(path).remarks == ()
    assert probe(path).fps == pytest.approx(25)
    assert begins(path) == pytest.approx(np.arange(50) / 25, abs=1e-3)
    assert frame_numbers(path, 1.4, 1.8) == list(range(35, 45))


@pytest.mark.parametrize(("name", "codec"), [("a.webm", "libvpx-vp9"), ("a.webm", "libvpx"), ("a.mkv", "libvpx")])
def test_transparency_beside_the_frames_is_shown_over_black(tmp_path: Path, name: str, codec: str) -> None:
    options = {"auto-alt-ref": "0", "g": "10", "deadline": "realtime", "cpu-used": "8"}
    with av.open(str(tmp_path / name), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 64, 48, "yuva420p", 2_000_000
        for level in range(40):
            image = np.full((48, 64, 4), 6 * level, np.uint8)
            image[:, :32, 3], image[:, 32:, 3] = 0, 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgba").reformat(format="yuva420p")))
        container.mux(stream.encode(None))
    for start, numbers in ((None, range(40)), (1.2, range(30, 40))):
        shown = list(frames(tmp_path / name, start))
        assert len(shown) == len(numbers)
        for image, level in zip(shown, numbers, strict=True):
            assert np.abs(image[:, :28]).max() <= 2
            assert np.abs(image[:, 36:].astype(int) - 6 * level).max() <= 6


def test_cut_reads_its_own_span_of_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = numbered(tmp_path / "a.mp4", [*range(50), *range(100, 150)], options={"g": "10"})

    def listed(video: OpenVideo, start: float, end: float) -> int:
        entries = list(video.stream.index_entries)
        times = [float((e.timestamp - entries[0].timestamp) * video.stream.time_base) for e in entries]
        return sum(start <= time < end for time in times)

    with open_video(path) as video:
        for start, end in ((0, 1), (0.4, 0.8), (1.9, 4.1), (2.5, 3.5), (5.9, 9), (8, 9), (0.41, 0.79)):
            assert promised(video, start, end) == listed(video, start, end)
        assert promised(video) == 100
        assert video.stream.time_base < Fraction(1, 1000)
