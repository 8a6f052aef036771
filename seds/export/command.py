"""`seds export`: embeddings, the default, keypoints, and checkpoints (seds.cli). Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

DEFAULT = "embeddings"


class ExportGroup(TyperGroup):
    """`seds export DATASET` means `seds export embeddings DATASET`; a corpus with a command's name needs the latter."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [DEFAULT, *args]
        return super().resolve_command(ctx, args)


def embeddings(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml whose stage index has run.")],
    output: Annotated[Path | None, typer.Option(help="Folder to make.", show_default="export/DATASET")] = None,
    form: Annotated[
        Literal["safetensors", "parquet"],
        typer.Option("--format", help="parquet: a row a token, as databases take it; safetensors: whole tensors."),
    ] = "safetensors",
) -> None:
    """Write the token embeddings of a corpus's videos and sentences, so that other programs can search them.

    Each video has a class token and one token a window of 16 frames, per stream; each sentence one a byte pair, start
    and end included. All have length 1. With them go ids, texts, the seconds that each token spans, and pooled vectors,
    the mean of each video's and sentence's tokens. export.json tells model, width, and how a score is made of cosines.
    """
    from seds.export.embeddings import export_embeddings
    from seds.index.store import open_index

    files = export_embeddings(open_index(dataset), output or Path("export") / dataset, form)
    for file in files:
        typer.echo(f"{file}  {file.stat().st_size:,} bytes")


def keypoints(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml whose stages prepare and pose have run.")],
    output: Annotated[Path, typer.Option(help="Folder to make.")],
) -> None:
    """Write the keypoints of a corpus as .pose files (pose-format), one a video, and a table of whose they are.

    133 COCO-WholeBody joints in the components BODY, FEET, FACE, LEFT_HAND, RIGHT_HAND; x and y in px, confidence.
    """
    from seds import tables
    from seds.export.keypoints import INDEX, export_keypoints
    from seds.shards import ShardReader

    data = Path("data")
    videos = tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}")
    count = export_keypoints(videos, ShardReader(data / "pose" / dataset, "pose"), output)
    typer.echo(f"{output}: {count} .pose files, listed in {INDEX}")
