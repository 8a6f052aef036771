"""`seds serve`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml whose index has been made.")],
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 lets others of the network in, unencrypted.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one.")] = 8000,
) -> None:
    """Search a corpus in the browser: type a sentence, or drop in a clip; play what is found and see why it was.

    Nothing is loaded from other hosts. Limits on what may be asked and dropped in are in params.yaml under `serve`.
    """
    from seds.serve.server import serve as run

    run(dataset, host, port, typer.echo)
