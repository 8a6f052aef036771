"""The command `seds verify`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    path: Annotated[Path, typer.Argument(help="Folder of recorded tensors, such as tests/golden.")],
    only: Annotated[str, typer.Option(help="Check only files that match this pattern, such as 'small_step*'.")] = "*",
) -> None:
    """Compare this system with tensors recorded from the published one.

    Prints one line per array, with its largest error and the limit; a note says what is not compared, and why. The exit
    code is 1 if an array exceeds its limit or a file cannot be read.
    """
    from seds.verify.run import verify as compare

    if not compare(path, typer.echo, only):
        raise typer.Exit(1)
