"""Telling a person which rows were left out, and why, without flooding the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from seds.messages import legible


def left_out(rows: Iterable[tuple[str, str, str]], total: int, names: int = 5) -> str:
    """Lines that count the left-out rows of `total` by reason, commonest first, with the first `names` of each.

    rows: (reason, name, detail) of each row left out. Control characters in them are shown as escapes.
    """
    by_reason: dict[str, list[str]] = defaultdict(list)
    for reason, name, detail in rows:
        by_reason[reason].append(f"{legible(name, 100)}: {legible(detail, 400)}" if detail else legible(name, 100))
    lines = [f"{sum(map(len, by_reason.values()))} of {total} left out"]
    for reason, cases in sorted(by_reason.items(), key=lambda item: -len(item[1])):
        lines.append(f"  {reason}: {len(cases)}")
        lines += [f"    {case}" for case in cases[:names]]
        if len(cases) > names:
            lines.append(f"    and {len(cases) - names} more")
    return "\n".join(lines)
