"""The arguments of the stages pose and rgb: `python -m stages.pose DATASET [--shard i/n]`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated

import typer

from seds.extraction.extractor import Video


@dataclass(frozen=True)
class Share:
    """Number `index`, counted from 1, of `count` shares."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Share:
        """ "2/8" -> the second of eight. Raises ValueError with the text and what was expected."""
        found = re.fullmatch(r"([0-9]+)/([0-9]+)", text)
        index, count = map(int, found.groups()) if found else (0, 0)
        if not 1 <= index <= count:
            raise ValueError(f"{text!r}: expected i/n with i from 1 to n, such as 1/4 to 4/4")
        return cls(index, count)

    def owns(self, video: Video) -> bool:
        """By its content: the same share on every machine, whatever the order of the table."""
        return int(video.identity, 16) % self.count == self.index - 1

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def _share(text: str) -> Share:
    try:
        return Share.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


Corpus = Annotated[str, typer.Argument(help="A corpus of params.yaml.")]
OnlyShare = Annotated[
    Share | None,
    typer.Option(
        "--shard",
        metavar="i/n",
        parser=_share,
        help="Compute this share alone; dvc repro assembles when all are done.",
    ),
]
