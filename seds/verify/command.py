"""`seds verify`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    path: Annotated[Path, typer.Argument(help="Folder of recorded tensors, such as tests/golden.")],
    only: Annotated[str, typer.Option(help="Pattern of the files to check, such as 'small_step*'.")] = "*",
) -> None:
    """Compare this system with tensors recorded from the published one: one line per array, with its largest error and
    the limit. A note says what is not compared, and why. Exit code 1 if an array is over its limit or a file cannot be
    read.
    """
    from seds.verify.run import verify as compare

    if not compare(path, typer.echo, only):
        raise typer.Exit(1)
