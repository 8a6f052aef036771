"""The box around the signer, if a corpus or a user gives one."""

from __future__ import annotations

import math

Box = tuple[float, float, float, float]  # left, top, right, bottom: px of the frame as shown


def parse_box(text: str) -> Box | None:
    """ "left,top,right,bottom" in px -> a box; "" -> None, the whole frame. Raises ValueError with the text."""
    if not text:
        return None
    try:
        left, top, right, bottom = map(float, text.split(","))
    except ValueError:
        raise ValueError(f"bbox {text!r}: expected four numbers, left,top,right,bottom in px") from None
    if not (math.isfinite(left + top + right + bottom) and left < right and top < bottom):
        hint = shares_hint((left, top, right, bottom))
        raise ValueError(f"bbox {text!r}: expected finite numbers with left < right and top < bottom{hint}")
    return left, top, right, bottom


def shares_hint(box: Box) -> str:
    """The rest of an error about a box whose numbers look like shares of the frame, as YOLO and MS-ASL write them."""
    shares = all(-0.5 <= value <= 1.5 for value in box)
    return (
        "; these look like shares of the frame, give left,top,right,bottom in px of the frame as shown"
        if shares
        else ""
    )


def format_box(box: Box | None) -> str:
    """The text that `parse_box` reads."""
    return "" if box is None else ",".join(f"{value:g}" for value in box)


def whole_frame(width: int, height: int) -> Box:
    return 0.0, 0.0, float(width), float(height)


def clip_box(box: Box | None, width: int, height: int) -> Box:
    """The part of a box within a frame of width x height px; of None, the whole frame.

    Raises ValueError, with the box and the frame's size, if nothing is left.
    """
    if box is None:
        return whole_frame(width, height)
    left, top, right, bottom = max(box[0], 0.0), max(box[1], 0.0), min(box[2], width), min(box[3], height)
    if not (left < right and top < bottom):
        raise ValueError(f"bbox {format_box(box)} lies outside the frame, which is {width}x{height} px")
    return left, top, right, bottom


def padded(box: Box, factor: float) -> Box:
    """The box `factor` times as wide and as high, about its centre."""
    x, y = (box[2] - box[0]) * (factor - 1) / 2, (box[3] - box[1]) * (factor - 1) / 2
    return box[0] - x, box[1] - y, box[2] + x, box[3] + y


def pixels(box: Box) -> tuple[slice, slice]:
    """Rows and columns of the pixels that a box inside the frame touches: `image[pixels(box)]` is its crop."""
    left, top, right, bottom = box
    return slice(math.floor(top), math.ceil(bottom)), slice(math.floor(left), math.ceil(right))
