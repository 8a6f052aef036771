"""What `seds compare` prints: a table of the differences, or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from seds.compare.differences import Difference, Pair, Row
from seds.messages import printable
from seds.retrieval.metrics import METRICS, rounded

_SURE = 0.05  # p below which a difference is marked


def summary(pair: Pair) -> list[str]:
    """Lines that say what is compared."""
    names = [printable(name, 80) for name in pair.names]
    lines = [f"A: {names[0]}", f"B: {names[1]}", _asked(pair)]
    if any(pair.left_out):
        lines.append(
            f"left out, since the other did not rank them: {pair.left_out[0]:,} videos of A, {pair.left_out[1]:,} of B"
        )
    if pair.other_texts:
        lines.append(f"{pair.other_texts:,} sentences have another text in B than in A")
    return lines


def table(rows: Sequence[Row]) -> str:
    """Markdown: a line a metric of each row, then the queries won and lost."""
    lines = ["| stream | direction | metric | A | B | B - A | 95 % interval | p |", "| --- " * 8 + "|"]
    for row in rows:
        start = f"| {row.stream} | {row.direction.upper()}"
        lines += [f"{start} | {name} | {_cells(name, row.metrics[name])} |" for name in METRICS]
    lines += ["", "| stream | direction | queries | B better | same | B worse | only B first | only A first |"]
    lines.append("| --- " * 8 + "|")
    for row in rows:
        counts = " | ".join(f"{count:,}" for count in (row.queries, *asdict(row.outcome).values()))
        lines.append(f"| {row.stream} | {row.direction.upper()} | {counts} |")
    return "\n".join(lines)


def as_json(pair: Pair, rows: Sequence[Row], resamples: int) -> str:
    """{"a", "b", "resamples", "videos", "sentences", "left_out", "streams": [...]}."""
    streams = [
        {"a": row.streams[0], "b": row.streams[1], "direction": row.direction, "queries": row.queries}
        | asdict(row.outcome)
        | {"metrics": {name: rounded(_figures(one)) for name, one in row.metrics.items()}}
        for row in rows
    ]
    counts = {"videos": len(pair.videos), "sentences": len(pair.texts), "left_out": list(pair.left_out)}
    names = {"a": pair.names[0], "b": pair.names[1], "resamples": resamples}
    return json.dumps(names | counts | {"streams": streams}, ensure_ascii=False, indent=2)


def number(metric: str, value: float, sign: bool = False) -> str:
    return f"{value:{'+' if sign else ''}.{3 if metric == 'MRR' else 1}f}"


def p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _asked(pair: Pair) -> str:
    return f"{len(pair.texts):,} sentences, {len(pair.videos):,} videos of the test split that both ranked"


def _figures(one: Difference) -> dict[str, float]:
    return {"a": one.first, "b": one.second, "difference": one.change, "low": one.low, "high": one.high, "p": one.p}


def _cells(name: str, one: Difference) -> str:
    ends = f"{number(name, one.low, True)} to {number(name, one.high, True)}"
    values = [number(name, one.first), number(name, one.second), number(name, one.change, True), ends]
    return " | ".join([*values, p_value(one.p) + (" *" if one.p < _SURE else "")])
