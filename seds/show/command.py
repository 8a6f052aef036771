"""The command `seds show`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def show(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stages prepare and pose must have run.")],
    video: Annotated[str | None, typer.Argument(help="Id of a video; without it, the whole corpus is shown.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Frames to show per video.", show_default="12; page: 5")
    ] = None,
    worst: Annotated[
        int | None, typer.Option(min=0, help="Videos to show with pictures.", show_default="24; page only")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write.", show_default="show/DATASET/VIDEO.png or keypoints.html")
    ] = None,
) -> None:
    """Show how good the keypoints are.

    With VIDEO: a contact sheet (PNG) of frames with skeleton and hand crops, kept and dropped frames, and confidence
    over time; with an OUTPUT that ends in .webp, the skeleton moving. Without: an HTML page of the whole corpus
    (visibility, confidence and jitter, the worst videos first) and a Parquet file with the measures of every video.
    """
    from seds.config import load_params
    from seds.show import moving
    from seds.show.contact_sheet import open_corpus, write_sheet
    from seds.show.quality_page import write_page

    if video is not None and worst is not None:
        raise typer.BadParameter("--worst applies to the page of a corpus, not to a single VIDEO")
    corpus = open_corpus(dataset, load_params())
    if video is None:
        typer.echo(write_page(corpus, output, worst=24 if worst is None else worst, frames=frames or 5))
    elif output is not None and output.suffix.lower() == moving.SUFFIX:
        typer.echo(moving.write_webp(corpus, video, output))
    else:
        typer.echo(write_sheet(corpus, video, output, frames=frames or 12))
