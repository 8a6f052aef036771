"""The share of a stage's work that one of several jobs does: `python -m stages.NAME DATASET --job i/n`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer


@dataclass(frozen=True)
class JobShare:
    """The part of a corpus that one of several jobs computes: job `index`, counted from 1, of `count`."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> JobShare:
        """ "2/8" -> the second of eight. Raises ValueError with the text and what was expected."""
        match = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        index, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= index <= count:
            raise ValueError(f"{text!r}: expected i/n with i from 1 to n, such as 1/4 to 4/4")
        return cls(index, count)

    def includes(self, number: int) -> bool:
        """Whether a piece of the work with that number is of this job's."""
        return number % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _parse_job(text: str) -> JobShare:
    try:
        return JobShare.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


OnlyJob = Annotated[
    JobShare | None,
    typer.Option(
        "--job",
        metavar="i/n",
        parser=_parse_job,
        help="Compute only the videos of job i of n. When all n jobs are done, dvc repro assembles the shards.",
    ),
]
