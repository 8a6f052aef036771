"""The arguments of the stages pose and rgb: `python -m stages.pose DATASET [--job i/n]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from seds.extraction.extractor import Video
from seds.system import commands


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

    def includes(self, video: Video) -> bool:
        """By the video's content, so that every machine decides alike, whatever the order of the table."""
        return int(video.identity, 16) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _parse_job(text: str) -> JobShare:
    try:
        return JobShare.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Corpus = Annotated[str, typer.Argument(help="A corpus of params.yaml.")]
OnlyJob = Annotated[
    JobShare | None,
    typer.Option(
        "--job",
        metavar="i/n",
        parser=_parse_job,
        help="Compute only the videos of job i of n. When all n jobs are done, dvc repro assembles the shards.",
    ),
]


def run_extraction_stage(main: Callable[..., None]) -> None:
    """Run `main` of the stage pose or rgb with the arguments of the command line. Ends the process."""
    arguments = sys.argv[1:]
    if any(argument.split("=")[0] == "--shard" for argument in arguments):
        typer.echo("--shard is deprecated; use --job", err=True)
        sys.argv[1:] = [re.sub(r"^--shard(?==|$)", "--job", argument) for argument in arguments]
    commands.run_stage(main)
