"""The errors that are meant for a person: what `seds` and the stages show as one line, without a traceback."""

from __future__ import annotations

from collections.abc import Sequence


class SedsError(Exception):
    """Something that a user can mend. The message names the file, the value and what was expected or what to run."""

    def __str__(self) -> str:
        return unicode_text(super().__str__())


def unicode_text(text: str) -> str:
    r"""Text that may hold names which the file system gave, made fit for tables, pages and files.

    A name is bytes, which need not be UTF-8 (old zip files); Python has those that are not as lone surrogates, which no
    encoding can write. Here they are shown as escapes: caf\xe9.mp4.
    """
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return "".join(_escaped(c) if "\ud800" <= c <= "\udfff" else c for c in text)


def _escaped(surrogate: str) -> str:
    byte = ord(surrogate) - 0xDC00  # where it stands for one, PEP 383
    return f"\\x{byte:02x}" if 0x80 <= byte <= 0xFF else f"\\u{ord(surrogate):04x}"


def first_few(items: Sequence[str], most: int) -> list[str]:
    """The first `most` items of a list for a message, followed by "and 12 more" if there are 12 more."""
    return [*items[:most], f"and {len(items) - most:,} more"] if len(items) > most else list(items)
