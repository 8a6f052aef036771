"""The commands `seds export embeddings` (the default), `keypoints`, `elan`, `vtt`. Libraries are imported later."""

from __future__ import annotations

from collections.abc import Callable
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


_PREPARED = "A corpus of params.yaml; the stage prepare must have run."
_SEARCH = (
    "Export only the videos that this sentence finds, with the moments of its words; the stage index must have run."
)
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Results = Annotated[int, typer.Option("-k", min=1, help="Number of results, with --search.")]


def elan(
    dataset: Annotated[str, typer.Argument(help=_PREPARED)],
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="export/DATASET/elan")] = None,
    search: Annotated[str | None, typer.Option(help=_SEARCH)] = None,
    k: Results = 10,
    overwrite: Overwrite = False,
) -> None:
    """Export sentences, signs and what a search has found as tiers of ELAN files, one per video file.

    Beside each is a link to its video, so ELAN finds it.
    """
    from seds.export.elan import export_elan

    _export_timelines(export_elan, dataset, output or Path("export") / dataset / "elan", search, k, overwrite)


def vtt(
    dataset: Annotated[str, typer.Argument(help=_PREPARED)],
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="export/DATASET/vtt")] = None,
    search: Annotated[str | None, typer.Option(help=_SEARCH)] = None,
    k: Results = 10,
    overwrite: Overwrite = False,
) -> None:
    """Export sentences, signs and what a search has found as subtitles (WebVTT), for players.

    Beside a link to each video are VIDEO.vtt, which players show of their own accord, VIDEO.signs.vtt and so on.
    """
    from seds.export.elan import export_vtt

    _export_timelines(export_vtt, dataset, output or Path("export") / dataset / "vtt", search, k, overwrite)


def _export_timelines(
    export: Callable[..., list[Path]], dataset: str, output: Path, search: str | None, k: int, overwrite: bool
) -> None:
    from seds import tables
    from seds.config import load_params
    from seds.export.keypoints import ExportError
    from seds.export.timelines import found, timelines
    from seds.system.workspace import require_outputs

    require_outputs(dataset, "prepare", params=load_params())
    data, made_by = Path("data"), f"dvc repro prepare@{dataset}"
    videos = tables.read(data / "videos" / f"{dataset}.parquet", tables.VIDEOS, made_by)
    signs = tables.read(data / "signs" / f"{dataset}.parquet", tables.SIGNS, made_by)
    whole = timelines(videos, signs)
    if not whole:
        raise ExportError(f"{dataset} has no video files; frames in folders and released features have no timelines")
    if search is not None:
        from seds.search.gallery import Gallery  # takes seconds, and is only needed here

        gallery = Gallery.open(dataset)
        hits = gallery.search_text(search, k)
        whole = found(whole, hits, [gallery.explain_clip(search, gallery.clip(hit.video_id)) for hit in hits])
    files = export(whole.values(), data / "raw" / dataset, output, overwrite)
    typer.echo(f"{output}: {len(files):,} files for {len(whole):,} videos")
    left = len(videos) - sum(path in whole for path in videos["path"]) if search is None else 0
    if left:
        typer.echo(f"left out: {left:,} of {len(videos):,} videos, which cannot be used or are no files")
