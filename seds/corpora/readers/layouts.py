"""What readers of corpora in known layouts share: where the corpus begins, and a box in shares of the frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from seds.tables import TableError


def find(root: Path, *patterns: str) -> Path | None:
    """The first file that one of the patterns matches, `*` standing for any name of a folder or part of one."""
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_file():
                return path
    return None


def need(root: Path, corpus: str, *patterns: str) -> Path:
    """As `find`. Raises TableError, with the patterns, if there is none."""
    found = find(root, *patterns)
    if found is None:
        raise TableError(f"{root}: no {corpus} annotations; expected {' or '.join(patterns)}")
    return found


def box_of_shares(sides: Sequence[float]) -> str:
    """left, top, right, bottom in shares of the frame -> the text that seds.corpora.prepare makes px of; "" of none.

    Raises ValueError for a box that is none.
    """
    if not sides:
        return ""
    left, top, right, bottom = (min(max(side, 0.0), 1.0) for side in sides)
    if not (left < right and top < bottom):
        raise ValueError(f"expected a box with left < right and top < bottom, got {list(sides)}")
    return ",".join(f"{100 * side:.6g}%" for side in (left, top, right, bottom))
