"""The arguments of the stages pose and rgb: `python -m stages.pose DATASET [--job i/n]`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Annotated

import typer

from seds.system import commands
from seds.system.jobs import OnlyJob as OnlyJob  # the stages have it from here

Corpus = Annotated[str, typer.Argument(help="A corpus of params.yaml.")]


def run_extraction_stage(main: Callable[..., None]) -> None:
    """Run `main` of the stage pose or rgb with the arguments of the command line. Ends the process."""
    arguments = sys.argv[1:]
    if any(argument.split("=")[0] == "--shard" for argument in arguments):
        typer.echo("--shard is deprecated; use --job", err=True)
        sys.argv[1:] = [re.sub(r"^--shard(?==|$)", "--job", argument) for argument in arguments]
    commands.run_stage(main)
