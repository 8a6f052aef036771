"""`seds verify`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def verify(
    path: Annotated[Path, typer.Argument(help="Folder of recorded tensors, such as tests/golden.")],
    only: Annotated[str, typer.Option(help="Pattern of the files to check, such as 'small_step*'.")] = "*",
) -> None:
    """Compare this system with tensors recorded from the published one: a line an array, its largest relative error
    and its limit. Exit code 1 when any is over.
    """
    from seds.verify.run import verify as compare

    fine = compare(path, typer.echo, only)
    if not fine:
        raise typer.Exit(1)
