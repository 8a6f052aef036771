"""The clock of a video file: seconds since its picture or its sound begins, whichever is first, as players count.

Containers do not always have times that can be used as they are:

- The clock of joined transport and program streams restarts, and that of a long one wraps round. Packets are given
  times that go on.
- AVI and others store when a frame is decoded, not when it is shown; program streams give a time to some frames only.
  There frames are counted: in the order in which they are shown, they get those times in ascending order.
"""

from __future__ import annotations

import os
from bisect import insort
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice

import av

from seds.video.container import OpenVideo, VideoError, open_video, reason

_DECODING_TIMES = frozenset(("avi", "asf"))  # containers whose times are those of decoding
_BARE_STREAMS = frozenset(("h264", "hevc", "mpegvideo", "av1", "obu"))  # have neither times nor an index to seek by

_JOINED = frozenset(("mpegts", "mpeg"))  # the end of one file and the start of another may meet in a third
_UNKNOWN_RATE = 25  # fps, FFmpeg's guess too

# A step between two frames from which on the clock was set anew rather than the camera stopped; FFmpeg's limit too.
_LEAP_S = 10.0
_WAVER_FRAMES = 2  # guessed times are off by less

_MPEG4_FRAME = b"\0\0\1\xb6"
UNCODED_BYTES = 8  # at most, of a frame of MPEG-4 that only says "not coded"; others have a bit per 16x16 px, and more

_REORDERED = 16  # frames at most are decoded before one that is shown earlier, by H.264 and H.265


@dataclass(frozen=True)
class Survey:
    """What the packets of a file say. fps: the mean rate, 0 if unknown. restarts: of the clock."""

    frames: int
    fps: float
    restarts: int


class Clock:
    """Times of the packets and frames of an open file.

    origin: when it begins, by the file's own times, s. first_s: when the first frame is shown, s. restarts: of the
    clock, so far. slots: where frames are counted, the times at which they are shown, in order, so far.
    """

    def __init__(self, video: OpenVideo) -> None:
        self._stream = video.stream
        self._tick = video.stream.time_base or 0
        self._path, self._container = video.path, video.container
        self._discontinuous = video.container.format.name in _JOINED
        self._counts = _counts(video)
        self.origin = self.first_s = 0.0
        if self._discontinuous or not self._counts:  # else FFmpeg guesses when streams begin
            self.origin = origin(video.container, video.stream)
            picture = _start(video.stream)
            self.first_s = 0.0 if picture is None else picture - self.origin
        self.restarts = 0
        self._owed = 0  # frames that were in a packet with another one and are not decoded yet
        self.slots: list[int] = []

    def packets(self) -> Iterator[av.Packet]:
        """The packets of the stream from where the file is read, without those that stand for lost frames.

        Where frames are counted, `pts` is the number of the packet, to be read from the file's first.
        """
        last, step, shift, delay = None, 0, 0, 0
        for packet in self._container.demux(self._stream):
            if not self._holds_frame(packet):
                continue
            if self._discontinuous and packet.dts is not None:
                due, dts = None if last is None else last + step, packet.dts + shift
                if due is not None and self._leaps(dts - last, step):
                    self.restarts += 1
                    shift += due - dts
                    dts = due
                elif due is not None and self._counts and abs(dts - due) <= _WAVER_FRAMES * step:
                    dts = due
                step = packet.duration or (step if last is None or dts <= last else dts - last)
                packet.dts = last = dts
                if packet.pts is not None:
                    packet.pts += shift
                    delay = delay if self.slots else packet.pts - dts
            if self._counts:
                number = len(self.slots)
                insort(self.slots, self._ticks(number) if packet.dts is None else packet.dts + delay)
                packet.pts = number
            yield packet

    def near(self, start: float) -> Iterator[av.Packet]:
        """The packets from one key frame before the last that may be shown at or before `start` s, read to there."""
        held: list[av.Packet] = []
        key = 0  # where the last key frame is in `held`
        packets = self.packets()
        for packet in packets:
            ticks = self.slots[-1] if self._counts else packet.pts if packet.dts is None else packet.dts
            passed = ticks is not None and self.seconds(ticks) > start
            if packet.is_keyframe and not passed:
                del held[:key]
                key = len(held)
            held.append(packet)
            if passed:
                break
        yield from held
        yield from packets

    def can_seek(self) -> bool:
        """Whether the times of packets after a seek are those that they have when read from the start."""
        if self._counts:
            return False
        # FFmpeg makes the times before a wrap negative, and seeks to none of them.
        return not self._discontinuous or (self.origin >= 0 and not survey(self._path).restarts)

    def timed(self, frames: Iterable[av.VideoFrame]) -> Iterator[tuple[av.VideoFrame, float | None]]:
        """Decoded frames, in the order in which they are shown, and when, in s; None if unknown."""
        if not self._counts:
            for frame in frames:
                yield frame, None if frame.pts is None else self.seconds(frame.pts)
            return
        frames = iter(frames)
        ahead = list(islice(frames, _REORDERED + 2))
        place = _first_place([frame.pts for frame in ahead if frame.pts is not None])
        for frame in chain(ahead, frames):
            yield frame, self.seconds(self.slots[min(place, len(self.slots) - 1)])
            place += 1

    def begin_s(self, first: av.VideoFrame) -> float:
        """When the file's first frame is shown; 0 if unknown."""
        ticks = self.slots[0] if self.slots else first.pts
        return 0.0 if ticks is None else max(0.0, self.seconds(ticks))

    def seconds(self, ticks: int) -> float:
        """Rounded, so that neighbouring cuts neither share a frame nor lose one."""
        return round(float(ticks * self._tick) - self.origin, 6)

    def _holds_frame(self, packet: av.Packet) -> bool:
        """Whether a frame is decoded from a packet. Lost frames are packets of no bytes, or MPEG-4's "not coded".

        DivX puts two frames into a packet and a "not coded" one behind it, at which the second is decoded.
        """
        if packet.size == 0 or self._stream.codec_context.name != "mpeg4":
            return packet.size > 0
        content = bytes(packet)
        starts, last = content.count(_MPEG4_FRAME), content.rfind(_MPEG4_FRAME)
        if starts != 1 or len(content) - last > UNCODED_BYTES:
            self._owed += max(0, starts - 1)
            return True
        held, self._owed = self._owed > 0, max(0, self._owed - 1)
        return held

    def _ticks(self, number: int) -> int:
        return round(number / ((self._stream.guessed_rate or _UNKNOWN_RATE) * self._tick))

    def _leaps(self, change: int, step: int) -> bool:
        return change < -_WAVER_FRAMES * step or change * self._tick > _LEAP_S


def survey(path: str | os.PathLike[str]) -> Survey:
    """What reading every packet of a file tells. Remembered for a few files. Raises VideoError."""
    status = os.stat(path)
    return _survey(os.fspath(path), status.st_size, status.st_mtime_ns)


@lru_cache(16)
def _survey(path: str, _size: int, _changed: int) -> Survey:
    with open_video(path) as video:
        clock, stream = Clock(video), video.stream
        try:
            times = [packet.pts for packet in clock.packets() if not packet.is_discard]
        except av.FFmpegError as error:
            raise VideoError(f"{path}: damaged: {reason(error)}") from None
        fps = float(stream.average_rate or stream.guessed_rate or 0)
        shown = clock.slots or [time for time in times if time is not None]
        if stream.time_base and len(shown) > 1 and max(shown) > min(shown):
            fps = float((len(shown) - 1) / ((max(shown) - min(shown)) * stream.time_base))
        return Survey(len(times), fps, clock.restarts)


def origin(container: av.container.InputContainer, picture_stream: av.VideoStream) -> float:
    """When a file's clock begins, by the file's own times, s: when the earliest stream of picture or sound does."""
    picture = _start(picture_stream)
    sounds = [start for stream in container.streams.audio if (start := _start(stream)) is not None]
    if picture is None:
        return max(0.0, min(sounds, default=0.0))
    # A negative time is that of samples which a decoder of sound drops. Another programme of a broadcast has a clock
    # of its own.
    earliest = min(0.0, picture)
    joined = container.format.name in _JOINED
    sounds = [max(earliest, start) for start in sounds if not joined or abs(start - picture) <= _LEAP_S]
    return min([picture, *sounds])


def _first_place(numbers: list[int]) -> int:
    """The place among the file's frames of the first of these, by the numbers of the packets that they were in.

    Right behind a key frame there may be packets of frames that are shown before it. They cannot be decoded from there.
    """
    first, *others = sorted(numbers)[:2] or [0]
    return others[0] - 1 if others else first


def _counts(video: OpenVideo) -> bool:
    name, context = video.container.format.name, video.stream.codec_context
    if name in _BARE_STREAMS or name == "mpeg":
        return True
    if name.startswith("matroska"):  # its codecs of Video for Windows have the times of AVI, and its tags
        return context.has_b_frames and bool(context.codec_tag.strip("\0 "))
    return name in _DECODING_TIMES and context.has_b_frames


def _start(stream: av.VideoStream | av.AudioStream) -> float | None:
    return None if stream.start_time is None else float(stream.start_time * (stream.time_base or 0))
