"""The command `seds import keypoints`. Libraries are imported when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seds.imports.keypoints import Imported

ENTRY = {"corpus": "keypoints", "profile": "auto", "streams": "pose"}  # in params.yaml


def import_keypoints(
    name: Annotated[str, typer.Argument(help="Name for the corpus, such as mine.")],
    source: Annotated[
        Path, typer.Option("--from", help="Folder with a keypoint file, or a folder of OpenPose's frames, per video.")
    ],
    table: Annotated[
        Path | None,
        typer.Option(
            help="Table of the videos: path or video_id, text, ...; or a folder that seds add recognises.",
            show_default="videos.csv in the folder",
        ),
    ] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=1000, help="Frame rate, where no file says it.")] = None,
    size: Annotated[str | None, typer.Option(help="Frame size in px, such as 1280x720, where no file says it.")] = None,
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="data/raw/NAME")] = None,
) -> None:
    """Import keypoints that were extracted elsewhere as a corpus without videos: .pose files (also .pose.zst),
    OpenPose's JSON files, Uni-Sign's .pkl, arrays of MediaPipe or COCO-WholeBody (.npy, .npz), Kaggle's .parquet.

    They become the 133 joints of COCO-WholeBody in px; joints that a source lacks have confidence 0. Of several people
    the largest is taken, or the one nearest to the table's bbox. Rows that do not fit are listed with the reason.
    """
    from seds.config import check_corpus_name
    from seds.imports.keypoints import Given
    from seds.imports.keypoints import import_keypoints as run

    check_corpus_name(name)
    width, height = parse_size(size)
    folder = output or Path("data/raw") / name
    done = run(name, source, folder, table, Given(fps, width, height))
    typer.echo(report(done))
    entry = "\n".join(f"    {key}: {value}" for key, value in ENTRY.items())
    typer.echo(f"\nImported to {folder}. Now add it to params.yaml:\n\ndatasets:\n  {name}:\n{entry}\n")
    typer.echo(f"and run: dvc repro evaluate@{name} index@{name}")


def parse_size(size: str | None) -> tuple[int | None, int | None]:
    """ "1280x720" -> (1280, 720). Raises typer.BadParameter."""
    if size is None:
        return None, None
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal() and 0 < int(width) < 65536 and 0 < int(height) < 65536):
        raise typer.BadParameter(f"--size {size!r}: expected WIDTHxHEIGHT in px, such as 1280x720")
    return int(width), int(height)


def report(done: Imported) -> str:
    """What was imported: counts by split, what the points were taken for, who was taken of several people."""
    from seds.corpora.prepare import summary

    lines = [summary(done.videos)]
    lines += [f"{count:,} videos: {layout}" for layout, count in done.layouts.most_common()]
    if done.several:
        lines.append(
            f"{done.several:,} videos show several people: the largest was taken, or the one nearest to the bbox"
        )
    if done.unused:
        lines.append(f"{done.unused:,} keypoint files that no row of the table names were left out")
    return "\n".join(lines)
