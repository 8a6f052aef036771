"""Reading .pose files of every version (pose-format, Moryossef et al., 2021), also compressed as .pose.zst.

pose-format reads the header. The numbers behind it are mapped here: the library reads a truncated file of version 0.1
as if it were whole, with coordinates for confidences, and of a file of version 0.0 the first person alone.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
from pose_format.pose_header import PoseHeader
from pose_format.utils.reader import BufferReader

from seds.imports.joints import KeypointsError, Layout, by_names
from seds.imports.source import People, Read, Source, check_people

SUFFIXES = (".pose", ".pose.zst")
_HEADER_BYTES = 2**17  # that are looked at; the largest known header takes 60 KB
_UNPACKED_BYTES = 2**30  # of a compressed file
_CHUNK = 2**20
_FLOAT = np.dtype("<f4")

Content = mmap.mmap | bytes


def open_pose(path: Path) -> Source:
    """Raises KeypointsError for a file that is damaged or has no joint of a hand, OSError."""
    content = _unpacked(path) if path.name.lower().endswith(".zst") else _mapped(path)
    try:
        reader = BufferReader(bytes(content[:_HEADER_BYTES]))
        header = PoseHeader.read(reader)
    except Exception as error:  # a damaged header may break any step of the library
        raise KeypointsError(f"no readable .pose file: its header is damaged or cut off ({error})") from None
    version = round(float(header.version), 3)
    points, formats = header.total_points(), [len(component.format) for component in header.components]
    parts = [(component.name, component.points) for component in header.components]
    if any(length < 3 for length in formats):
        raise KeypointsError("a component without x, y and confidence")
    layout = by_names(f".pose {version:g}, {points} points", parts)
    if version == 0:
        shapes = [(len(component.points), len(component.format)) for component in header.components]
        fps, people = _frames_of_first_version(content, reader.read_offset, shapes)
        frames, read = len(people), _reader_of_lists(people, layout)
    elif version in (0.1, 0.2):
        fps, data, confidence = _arrays(content, reader.read_offset, version, points, max(formats) - 1)
        frames, read = len(data), _reader_of_arrays(data, confidence, layout)
    else:
        raise KeypointsError(f"version {version:g} of .pose, expected 0, 0.1 or 0.2")
    width, height = header.dimensions.width, header.dimensions.height
    known_fps = fps if math.isfinite(fps) and fps > 0 else None
    return Source(layout.name, frames, known_fps, width or None, height or None, False, read)


def _mapped(path: Path) -> Content:
    with path.open("rb") as file:
        try:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise KeypointsError("the file is empty") from None


def _unpacked(path: Path) -> Content:
    try:
        with pa.input_stream(str(path), compression="zstd") as stream:
            content = bytearray()
            while len(content) <= _UNPACKED_BYTES and (
                chunk := stream.read(_CHUNK)
            ):  # read() allocates what it is told
                content += chunk
    except pa.ArrowException as error:
        raise KeypointsError(f"no readable zstd file: {error}") from None
    except OSError as error:
        if not path.is_file():
            raise
        raise KeypointsError(f"no readable zstd file: {error}") from None
    if len(content) > _UNPACKED_BYTES:
        raise KeypointsError(f"more than {_UNPACKED_BYTES / 2**30:g} GB when unpacked")
    return bytes(content)


def _arrays(
    content: Content, start: int, version: float, points: int, dims: int
) -> tuple[float, np.ndarray, np.ndarray]:
    """Frame rate, data [T,P,N,dims] and confidence [T,P,N] of versions 0.1 and 0.2, as views of the content."""
    fields = struct.Struct("<HHH" if version == 0.1 else "<fIH")
    if len(content) < start + fields.size:
        raise KeypointsError("the file ends in its header")
    fps, frames, people = fields.unpack_from(content, start)
    start += fields.size
    left, size = len(content) - start, people * points * (dims + 1) * _FLOAT.itemsize  # of a frame
    if version == 0.1 and size and left % size == 0 and (left // size) % 2**16 == frames:
        frames = left // size  # the header counts in 16 bits
    if frames * size != left:
        raise KeypointsError(
            f"{left:,} bytes of keypoints, but the header says {frames:,} frames of {people} people with {points} "
            f"points, which take {frames * size:,}; the file is cut off or damaged"
        )
    if not people:
        return fps, np.zeros((frames, 0, points, dims), _FLOAT), np.zeros((frames, 0, points), _FLOAT)
    count = frames * people * points
    data = np.frombuffer(content, _FLOAT, count * dims, start).reshape(frames, people, points, dims)
    confidence = np.frombuffer(content, _FLOAT, count, start + data.nbytes).reshape(frames, people, points)
    return fps, data, confidence


def _reader_of_arrays(data: np.ndarray, confidence: np.ndarray, layout: Layout) -> Read:
    def read(first: int, last: int) -> People:
        check_people(data.shape[1], last - first)
        xyc = np.empty((last - first, data.shape[1], len(layout.points), 3), np.float32)
        xyc[..., :2] = data[first:last][:, :, layout.points, :2]
        xyc[..., 2] = confidence[first:last][:, :, layout.points]
        return layout.to_wholebody(xyc)

    return read


def _frames_of_first_version(
    content: Content, start: int, shapes: Sequence[tuple[int, int]]
) -> tuple[float, list[list[np.ndarray]]]:
    """Frame rate, and of each frame each person's points [N,3] x, y, confidence, of version 0.0.

    shapes: number of points and of values a point, of each component.
    """
    person = struct.Struct("<h").size + sum(math.prod(shape) for shape in shapes) * _FLOAT.itemsize
    try:
        fps, frames = struct.unpack_from("<HH", content, start)
        start += 4
        result: list[list[np.ndarray]] = []
        for _ in range(frames):
            (people,) = struct.unpack_from("<H", content, start)
            start += 2
            if start + people * person > len(content):
                raise struct.error
            check_people(people, 1)
            result.append([_person(content, start + i * person + 2, shapes) for i in range(people)])
            start += people * person
    except struct.error:
        raise KeypointsError("the file is cut off or damaged: it ends before the frames that its header says") from None
    check_people(max(map(len, result), default=0), len(result))
    return fps, result


def _person(content: Content, start: int, shapes: Sequence[tuple[int, int]]) -> np.ndarray:
    parts = []
    for shape in shapes:
        part = np.frombuffer(content, _FLOAT, math.prod(shape), start).reshape(shape)
        parts.append(part[:, [0, 1, -1]])
        start += part.nbytes
    return np.concatenate(parts)


def _reader_of_lists(frames: list[list[np.ndarray]], layout: Layout) -> Read:
    def read(first: int, last: int) -> People:
        shape = (0, len(layout.points), 3)
        return [
            layout.to_wholebody(np.stack([person[layout.points] for person in people]) if people else np.zeros(shape))
            for people in frames[first:last]
        ]

    return read
