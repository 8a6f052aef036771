"""Folders of frames: a video as a folder of numbered PNG or JPEG images, the layout of PHOENIX-2014T and CSL-Daily.

The frames are in the order of their numbers (9.jpg before 10.jpg). Hidden files and other kinds (Thumbs.db) are
ignored. A folder has no frame rate, so its corpus must give it. Images become RGB as a viewer shows them: rotated as
EXIF says; grey, palette and CMYK converted; 16 bits reduced to 8; transparency over black.

A frame that was not copied leaves a gap in the numbers, which is an error. The numbers may start anywhere and have any
step, so frames missing at either end are not noticed here. Nor is damage inside a JPEG that its decoder conceals.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from seds.video.container import MAX_PIXELS, VideoError
from seds.video.cuts import seconds_text
from seds.video.video_file import VideoInfo, over_black, size_text

_SUFFIXES = {".png", ".jpg", ".jpeg"}


def frame_files(folder: str | Path) -> list[Path]:
    """The images of a folder in the natural order of their names, digits compared as numbers; [] if none."""
    images = (p for p in Path(folder).iterdir() if p.suffix.lower() in _SUFFIXES and not p.name.startswith("."))
    return sorted(images, key=_natural)


def probe(folder: str | Path, fps: float | None) -> VideoInfo:
    """The number of frames, the rate given, and the size of the first frame, which is decoded. Raises VideoError."""
    if fps is None or not fps > 0:
        raise VideoError(f"{folder}: a folder of frames has no frame rate, so its corpus must give it; got fps {fps}")
    files = _numbered(folder)
    for file in files:
        _check_there(file)  # an interrupted copy most often leaves empty files
    height, width = _read(files[0]).shape[:2]
    return VideoInfo(len(files), float(fps), width, height)


def frames(
    folder: str | Path, start_s: float | None = None, end_s: float | None = None, fps: float | None = None
) -> Iterator[np.ndarray]:
    """The frames with start_s <= i / fps < end_s, i counted from 0. `fps` is needed only for such a cut.

    Yields uint8 [H,W,3] RGB. Raises VideoError naming the image that is missing, damaged or of another size.
    """
    files: Sequence[Path] = _numbered(folder)
    if start_s is not None or end_s is not None:
        if fps is None or not fps > 0:
            raise VideoError(f"{folder}: a cut of a folder of frames needs its frame rate; got fps {fps}")
        start, end = start_s or 0.0, float("inf") if end_s is None else end_s
        # Rounded as in video files, so that neighbouring cuts neither share a frame nor lose one.
        files = [file for i, file in enumerate(files) if start <= round(i / fps, 6) < end]
        if not files:
            raise VideoError(f"{folder}: has no frame between {seconds_text(start)} s and {seconds_text(end)} s")
    shape = None
    for file in files:
        image = _read(file)
        if shape is not None and image.shape != shape:
            raise VideoError(
                f"{file}: is {size_text(image.shape)}, the frames before it were {size_text(shape)}; "
                "all frames of a video must have the same size"
            )
        shape = image.shape
        yield image


def _natural(path: Path) -> tuple[list[str | int], str]:
    # Every second part is a number, so that text is compared with text and number with number.
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)], path.name


def _numbered(folder: str | Path) -> list[Path]:
    """The frames of a folder, whose names must form one sequence of numbers. Raises VideoError naming the offender."""
    files = frame_files(folder)
    if not files:
        raise VideoError(f"{folder}: is a folder without a PNG or JPEG frame")
    if len(files) == 1:
        return files
    _, pattern = _number(files[0])
    numbers: list[int] = []
    for file in files:
        number, text = _number(file)
        if number is None or text != pattern:
            raise VideoError(f"{file}: is not numbered like {files[0].name}, so its place in the video is unknown")
        if numbers and number == numbers[-1]:
            raise VideoError(f"{file}: has the same number as {files[len(numbers) - 1].name}")
        numbers.append(number)
    steps = [after - before for before, after in pairwise(numbers)]
    step = min(steps)
    lost = sum(s // step - 1 for s in steps)
    # Numbers that are times (0, 33, 67, 100 ms) have irregular steps without a missing frame.
    if lost and all(s % step == 0 for s in steps):
        gap = next(i for i, s in enumerate(steps) if s > step)
        raise VideoError(
            f"{files[gap + 1]}: follows {files[gap].name}; of {len(files) + lost} frames {lost} are missing"
        )
    return files


def _number(file: Path) -> tuple[int | None, tuple[str, str]]:
    """The last number of a name without its suffix, and the text around it: images0007.png -> 7, ("images", "")."""
    match = re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", file.stem)
    return (int(match[2]), (match[1], match[3])) if match else (None, ("", ""))


def _check_there(file: Path) -> None:
    """Raises VideoError for an empty file, and for a link whose target is missing."""
    try:
        size = file.stat().st_size
    except OSError as error:
        raise VideoError(f"{file}: cannot be read: {error.strerror}") from None
    if size == 0:
        raise VideoError(f"{file}: is empty (0 bytes)")


def _read(file: Path) -> np.ndarray:
    """uint8 [H,W,3] RGB of an image file. Raises VideoError."""
    _check_there(file)
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError  # as Pillow itself does above its own limit
            ImageOps.exif_transpose(image, in_place=True)
            return _rgb(image)
    except Image.DecompressionBombError:
        raise VideoError(f"{file}: frames of more than {MAX_PIXELS} px are refused") from None
    except UnidentifiedImageError:
        raise VideoError(f"{file}: is not a readable PNG or JPEG") from None
    # For damaged bytes Pillow's decoders raise OSError, SyntaxError, ValueError and others, without the file's name.
    except Exception as error:
        raise VideoError(f"{file}: damaged: {error}") from None


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "I;16":  # Pillow would clip 16 bits of grey; it reduces 16 bits of colour by itself
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        return over_black(np.asarray(image.convert("RGBA")))
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))
