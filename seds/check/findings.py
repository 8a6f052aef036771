"""A finding, and how findings are shown to a person."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pandera.pandas as pa

from seds.errors import unicode_text
from seds.messages import printable

ERROR, WARNING = "error", "warning"


@dataclass(frozen=True)
class Finding:
    """One problem. video_id: "" if it is about a file or a split."""

    severity: str
    kind: str
    video_id: str
    path: str
    detail: str

    def __post_init__(self) -> None:
        for name in ("path", "detail"):  # from the file system, some of them
            object.__setattr__(self, name, unicode_text(getattr(self, name)))


# data/check/<dataset>.parquet: one row per finding; a video may have several.
FINDINGS = pa.DataFrameSchema(
    {
        "severity": pa.Column(str, pa.Check.isin((ERROR, WARNING))),
        "kind": pa.Column(str),
        "video_id": pa.Column(str),
        "path": pa.Column(str),
        "detail": pa.Column(str),
    },
    strict=True,
    coerce=True,
)


def report(findings: pd.DataFrame, examples: int = 3) -> str:
    """Findings by kind, errors first and the commonest first, each with its first examples on lines of their own."""
    if findings.empty:
        return "nothing found"
    lines = [f"{'severity':<9}{'findings':>9}  kind"]
    groups = [(*key, rows) for key, rows in findings.groupby(["severity", "kind"], sort=False)]
    for severity, kind, rows in sorted(groups, key=lambda group: (group[0] != ERROR, -len(group[2]))):
        lines.append(f"{severity:<9}{len(rows):>9,}  {kind}")
        for row in rows.head(examples).itertuples():
            subject = printable(row.video_id or row.path, 80)
            lines.append(f"{'':<20}  {subject}: {printable(row.detail, 200)}" if subject else f"{'':<22}{row.detail}")
        if len(rows) > examples:
            lines.append(f"{'':<20}  and {len(rows) - examples:,} more")
    errors = int((findings["severity"] == ERROR).sum())
    lines.append(f"{errors:,} errors, {len(findings) - errors:,} warnings")
    return "\n".join(lines)
