"""`seds show`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml whose stages prepare and pose have run.")],
    video: Annotated[str | None, typer.Argument(help="Id of one video; without it, the page of the corpus.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames of a video.", show_default="12; page: 5")] = None,
    worst: Annotated[
        int | None, typer.Option(min=0, help="Videos with pictures.", show_default="24; page only")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="show/DATASET/VIDEO.png or keypoints.html")
    ] = None,
) -> None:
    """See how good the keypoints are.

    With VIDEO: a contact sheet (PNG) with skeleton and hand crops drawn, the frames that are kept and dropped, and the
    confidence over time. Without: a page of the whole corpus with what is seen of the hands, how sure and how steady,
    the worst videos first, and beside it the measures of every video as Parquet.
    """
    from seds.config import load_params
    from seds.show.contact_sheet import open_corpus, write_sheet
    from seds.show.quality_page import write_page

    if video is not None and worst is not None:
        raise typer.BadParameter("--worst is for the page of a corpus, without VIDEO")
    corpus = open_corpus(dataset, load_params())
    if video is None:
        typer.echo(write_page(corpus, output, worst=24 if worst is None else worst, frames=frames or 5))
    else:
        typer.echo(write_sheet(corpus, video, output, frames=frames or 12))
