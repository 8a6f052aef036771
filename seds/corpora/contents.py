"""The bytes and the text of annotation files: of a size that such files have, and in the encodings that occur."""

from __future__ import annotations

import codecs
import re
import stat
from pathlib import Path

from seds.errors import SedsError

MOST_BYTES = 100_000_000  # far more than an hour of annotations on many tiers
_MARKS = (  # the longer first: UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class ContentError(SedsError, ValueError):
    """A file that cannot be read, is too large or no text; the message names it."""


def read_bytes(file: Path, most: int = MOST_BYTES) -> bytes:
    """Its content. Raises ContentError for one that is missing, no regular file, or larger than `most` bytes."""
    try:
        status = file.stat()
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait forever
            raise ContentError(f"{file} is no file")
        if status.st_size > most:
            raise ContentError(
                f"{file} has {status.st_size:,} bytes, more than the {most:,} that are read of such a file"
            )
        with file.open("rb") as opened:
            return opened.read(most)
    except (OSError, ValueError) as error:
        if isinstance(error, ContentError):
            raise
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise ContentError(f"{file} cannot be read: {reason}") from None


def read_text(file: Path) -> tuple[str, str]:
    """(text, encoding) of a file, as `decode` has them. Raises ContentError as `read_bytes` does, and for no text."""
    text, encoding = decode(read_bytes(file), file)
    if "\0" in text:
        raise ContentError(f"{file} is not text: it has zero bytes")
    return text, encoding


def decode(content: bytes, file: Path) -> tuple[str, str]:
    """(text, encoding): UTF-8, or UTF-16 or UTF-32 as its mark or its zero bytes say, else the guess Windows-1252.

    Text that is UTF-8 but for a few bytes is no Windows-1252, in which its other letters would become two each. Raises
    ContentError, naming the file and the place, for what is no text.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "") or _zeros(content)
    problem = ""
    for name in (encoding,) if encoding else ("utf-8", "cp1252"):
        try:
            text = content.decode(name).removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            problem = problem or f"{error.reason} at byte {error.start:,}, in line {line}"
            if name == "utf-8" and re.search(r"[^\x00-\x7f\ufffd]", content.decode(errors="replace")):
                break
            continue
        if name == "cp1252" and "\0" in text:
            break
        return text, name
    raise ContentError(
        f"{file} is not text: it is neither {encoding or 'UTF-8'} ({problem}) nor Windows-1252; save it as UTF-8"
    )


def _zeros(content: bytes) -> str:
    """UTF-16 without a mark, told by the zero bytes that Latin letters and line breaks have in it; else "".

    They are a fifth of the first characters, or all of the very first, as in a table of another script with its header.
    """
    for size, share in ((1000, 0.2), (16, 1.0)):
        start = content[:size]
        low, high = start[0::2].count(0), start[1::2].count(0)
        if len(start) >= 4 and max(low, high) >= share * (len(start) // 2) and not min(low, high):
            return "utf-16-le" if high > low else "utf-16-be"
    return ""
