"""Which bytes of a file a request asks for, by the rules of HTTP (RFC 9110, section 14)."""

from __future__ import annotations

import re

_SPEC = re.compile(r"([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18})")


def normalised(header: str, size: int) -> str | None:
    """A Range header for a file of `size` bytes, as Starlette's FileResponse can take it; None = the whole file.

    A unit other than bytes and a malformed header are ignored. Of several ranges those beyond the end are left out; if
    all are, one of them stays, which gets 416. (FileResponse by itself answers with 400, or 416 for one of several.)
    """
    unit, _, specs = header.partition("=")
    matches = [_SPEC.fullmatch(spec) for part in specs.split(",") if (spec := part.strip(" \t"))]
    if unit.strip(" \t").lower() != "bytes" or not matches:
        return None
    satisfiable = []
    for match in matches:
        if match is None:
            return None
        first, last, suffix = match.groups()
        if first and last and int(first) > int(last):
            return None
        if int(first) < size if first else int(suffix) > 0 and size > 0:
            satisfiable.append(match[0])
    return "bytes=" + ",".join(satisfiable or [f"{size}-"])
