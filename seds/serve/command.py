"""The command `seds serve`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stage index must have run.")],
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 opens it to your network, without encryption or password."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 8000,
) -> None:
    """Search a corpus in the browser: type a sentence or drop in a clip, play the results and see when each word is
    signed.

    The page works offline. Limits on queries and clips are in params.yaml under `serve`.
    """
    from seds.serve.server import serve as run

    run(dataset, host, port, typer.echo)
