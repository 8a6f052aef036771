"""The command `seds serve`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stage index must have run.")],
    host: Annotated[
        str,
        typer.Option(help="Address to listen on; 0.0.0.0 opens the page to your network, for who has its token."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 takes any free one.")] = 8000,
    token: Annotated[
        str | None,
        typer.Option(
            envvar="SEDS_TOKEN",
            show_default="random, and none on this machine's own address",
            help="What visitors need: part of the address that is printed, or `Authorization: Bearer TOKEN`.",
        ),
    ] = None,
    is_open: Annotated[
        bool, typer.Option("--open", help="Need no token: whoever reaches the address may look.")
    ] = False,
    certificate: Annotated[Path | None, typer.Option(help="Certificate (PEM), to encrypt what is sent.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its private key (PEM, without a password).")] = None,
    drawn: Annotated[
        bool,
        typer.Option("--skeletons", help="Show the keypoints moving instead of the videos, so that no face is seen."),
    ] = False,
) -> None:
    """Search a corpus in the browser: type a sentence or drop in a clip, play the results and see when each word is
    signed.

    The page works offline. Limits on queries and clips are in params.yaml under `serve`.
    """
    from seds.serve.server import Lock
    from seds.serve.server import serve as run

    run(dataset, host, port, typer.echo, Lock(token, is_open, certificate, key), drawn=drawn)
