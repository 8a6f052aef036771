"""The command line that the stages pose and rgb share: `python -m stages.pose DATASET [--shard i/n]`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence

from seds.engine.outcomes import EngineError
from seds.engine.shares import Share
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
