"""A video that is a cut of a longer file."""

from __future__ import annotations

import math


def cut_bounds(start_s: float | None, end_s: float | None) -> tuple[float | None, float | None]:
    """`start_s` and `end_s` of a row of a table, in seconds, where tables have NaN or None for the video's own bounds.

    They come back as None, as decoding takes them.
    """
    return _bound(start_s), _bound(end_s)


def _bound(second: float | None) -> float | None:
    return None if second is None or math.isnan(second) else float(second)


def seconds_text(value: float) -> str:
    """A time for names and messages, in s: as many digits as it needs, at most those of a microsecond."""
    return f"{value:.6f}".rstrip("0").rstrip(".") if math.isfinite(value) else str(value)
