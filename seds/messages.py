"""Showing what a corpus holds: ids and texts made fit to be printed and to name files by, and skipped rows counted."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from seds.errors import first_few, unicode_text

# Marks that turn the direction of what follows, and could make one id look like another.
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_HIDDEN = frozenset({"Cc", "Zl", "Zp"})  # control characters, line and paragraph separators
_NAME_LENGTH = 100


def printable(text: str, limit: int = 200) -> str:
    r"""The text on one line: control characters as escapes such as \n, what exceeds `limit` characters counted.

    Bytes of a name that are no text are escapes, too.
    """
    rest = len(text) - limit
    shown = unicode_text(text[:limit])
    line = "".join(repr(c)[1:-1] if c in _BIDI or unicodedata.category(c) in _HIDDEN else c for c in shown)
    return f"{line}… ({rest:,} more characters)" if rest > 0 else line


def safe_filename(text: str) -> str:
    """A file name, without suffix, for an id: itself where it is harmless, else its ASCII letters and a digest.

    Differs for different ids, whatever slashes, dots, control characters or lengths they have.
    """
    if re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.+=@-]*", text) and len(text) <= _NAME_LENGTH:
        return text
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", text)[: _NAME_LENGTH // 2].strip("_-")
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{plain}-{digest}" if plain else digest


def summarise_skipped(rows: Iterable[tuple[str, str, str]], total: int, names: int = 5) -> str:
    """Lines that count the skipped rows of `total` by reason, commonest first, with the first `names` of each.

    rows: (reason, name, detail) of each skipped row. Control characters in them are shown as escapes.
    """
    by_reason: dict[str, list[str]] = defaultdict(list)
    for reason, name, detail in rows:
        by_reason[reason].append(
            f"{printable(name, 100)}: {printable(detail, 400)}" if detail else printable(name, 100)
        )
    lines = [f"{sum(map(len, by_reason.values()))} of {total} left out"]
    for reason, cases in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {reason}: {len(cases)}")
        lines += [f"    {line}" for line in first_few(cases, names)]
    return "\n".join(lines)
