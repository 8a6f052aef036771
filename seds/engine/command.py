"""The command line that the stages pose and rgb share: `python -m stages.pose DATASET [--shard i/n]`."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from seds.extraction.extractor import Video
from seds.system.files import EngineError
from seds.system.workers import WorkerError


def run_stage(kind: str, main: Callable[[str, Share | None], None], arguments: Sequence[str]) -> None:
    """Call a stage's main. Ends the process with a message where the arguments, or the machine, do not do."""
    parser = argparse.ArgumentParser(prog=f"python -m stages.{kind}")
    parser.add_argument("dataset", help="a corpus of params.yaml")
    parser.add_argument(
        "--shard", metavar="i/n", type=_share, help="compute this share alone; dvc repro assembles when all are done"
    )
    chosen = parser.parse_args(arguments)
    try:
        main(chosen.dataset, chosen.shard)
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells say it
    except (EngineError, WorkerError) as error:
        sys.exit(f"{kind}: {error}")


def _share(text: str) -> Share:
    try:
        return Share.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


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
