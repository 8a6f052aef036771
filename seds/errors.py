"""The errors that are meant for a person: what `seds` and the stages show as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Sequence


class SedsError(Exception):
    """Something that a user can mend. The message names the file, the value and what was expected or what to run."""


def first_few(items: Sequence[str], most: int) -> list[str]:
    """The first `most` items of a list for a message, followed by "and 12 more" if there are 12 more."""
    return [*items[:most], f"and {len(items) - most:,} more"] if len(items) > most else list(items)
