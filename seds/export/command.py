"""The commands `seds export embeddings` (the default) and `keypoints`. Libraries are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer.core import TyperGroup

DEFAULT = "embeddings"


class ExportGroup(TyperGroup):
    """`seds export DATASET` is short for `seds export embeddings DATASET`, unless DATASET is the name of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = [DEFAULT, *args]
        return super().resolve_command(ctx, args)


def embeddings(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stage index must have run.")],
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="export/DATASET")] = None,
    form: Annotated[
        Literal["safetensors", "parquet"],
        typer.Option("--format", help="safetensors: whole tensors; parquet: one row per token, for databases."),
    ] = "safetensors",
) -> None:
    """Export the token embeddings of a corpus's videos and sentences for search in other programs.

    In each stream, a video has a class token and one token per window of 16 frames; a sentence has one token per byte
    pair, including start and end. All are unit vectors. The export also has ids, texts, the seconds that each token
    spans, and the mean of each video's and sentence's tokens. export.json describes the model and the score.
    """
    from seds.config import load_params
    from seds.export.embeddings import export_embeddings
    from seds.index.store import open_index
    from seds.system.workspace import require_outputs

    require_outputs(dataset, "index", params=load_params())
    files = export_embeddings(open_index(dataset), output or Path("export") / dataset, form)
    for file in files:
        typer.echo(f"{file}  {file.stat().st_size:,} bytes")


def keypoints(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stages prepare and pose must have run.")],
    output: Annotated[Path, typer.Option(help="Output folder.")],
) -> None:
    """Export the keypoints of a corpus as .pose files (pose-format), one per video, with a table that lists them.

    A file has 133 COCO-WholeBody joints in the components BODY, FEET, FACE, LEFT_HAND and RIGHT_HAND, each with x and y
    in px and a confidence.
    """
    from seds import tables
    from seds.config import load_params
    from seds.export.keypoints import INDEX, export_keypoints
    from seds.shards import ShardReader
    from seds.system.workspace import require_outputs

    require_outputs(dataset, "prepare", "pose", params=load_params())
    data = Path("data")
    videos = tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, f"dvc repro prepare@{dataset}")
    count = export_keypoints(videos, ShardReader(data / "pose" / dataset, "pose"), output)
    typer.echo(f"{output}: {count} .pose files, listed in {INDEX}")
