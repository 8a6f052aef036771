"""The `seds` command. A subcommand imports what it needs when it runs, so that `seds --help` is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from seds.export.command import DEFAULT, ExportGroup, embeddings, keypoints
from seds.search.command import search

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
import_app = typer.Typer(no_args_is_help=True, help="Turn released files into this project's own.")
app.add_typer(import_app, name="import")
_EXPORT = "Turn this project's files into those of others. `seds export DATASET` is short for embeddings."
export_app = typer.Typer(cls=ExportGroup, no_args_is_help=True, help=_EXPORT)
export_app.command(DEFAULT)(embeddings)
export_app.command()(keypoints)
app.add_typer(export_app, name="export")
app.command()(search)


@import_app.command("features")
def import_features(
    name: Annotated[str, typer.Argument(help="What the corpus is to be called here, such as phoenix.")],
    corpus: Annotated[
        Literal["phoenix14t", "csl_daily", "how2sign"], typer.Option(help="Which corpus of the release it is.")
    ],
    captions: Annotated[Path, typer.Option(help="Folder of train.pkl, dev.pkl, test.pkl; those that are there.")],
    keypoints: Annotated[Path, typer.Option(help="Folder of a keypoint file a video: [SUBSET/]VIDEO.pkl.")],
    features: Annotated[Path, typer.Option(help="Folder of an I3D feature file a video: [SUBSET/]VIDEO.pkl.")],
    output: Annotated[Path | None, typer.Option(help="Folder to make.", show_default="data/raw/NAME")] = None,
) -> None:
    """Turn the keypoint, feature and caption pickles of the published SEDS release into a corpus of this project.

    They are read as plain data: a pickle that would call anything is refused and named. A video whose files are missing
    or unfit is listed with its reason, and the rest goes on. Then `dvc repro` trains on the corpus and evaluates; its
    stages pose and rgb hand over what was imported. Memory does not grow with the corpus, and no GPU is needed.
    """
    from seds.corpora.captions import RELEASES, ReleaseError
    from seds.corpora.pickles import PickleError
    from seds.corpora.prepare import summary
    from seds.messages import left_out
    from seds.release.features import import_release

    place = output or Path("data/raw") / name
    try:
        done = import_release(name, corpus, captions=captions, keypoints=keypoints, features=features, output=place)
    except (ReleaseError, PickleError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(summary(done.videos))
    failed = done.rgb[done.rgb["status"] != "ok"]
    if len(failed):
        reasons = zip(failed["status"], failed["video_id"], failed["detail"], strict=True)
        typer.echo("RGB features: " + left_out(reasons, len(done.rgb)))
    release = RELEASES[corpus]
    margin = "null" if release.wrist_margin is None else release.wrist_margin / release.height
    typer.echo(f"\nIt lies in {place}. Next, in params.yaml:\n\ndatasets:\n  {name}:")
    typer.echo(
        f"    corpus: released\n    profile: auto\n    wrist_margin: {margin}\n\nand then: dvc repro evaluate@{name}"
    )


@app.command()
def verify(
    path: Annotated[Path, typer.Argument(help="Folder of recorded tensors, such as tests/golden.")],
    only: Annotated[str, typer.Option(help="Pattern of the files to check, such as 'small_step*'.")] = "*",
) -> None:
    """Compare this system with tensors recorded from the published one: a line an array, its largest relative error
    and its limit. Exit code 1 when any is over.
    """
    from seds.verify.recordings import RecordingError
    from seds.verify.run import verify as compare

    try:
        fine = compare(path, typer.echo, only)
    except (RecordingError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    if not fine:
        raise typer.Exit(1)


# Ids that begin with a dash, as How2Sign's do, are no options.
@app.command(context_settings={"ignore_unknown_options": True})
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
    from seds.config import ConfigError, load_params
    from seds.shards import ShardError
    from seds.show.contact_sheet import ShowError, open_corpus, write_sheet
    from seds.show.quality_page import write_page
    from seds.tables import TableError
    from seds.video import VideoError

    if video is not None and worst is not None:
        raise typer.BadParameter("--worst is for the page of a corpus, without VIDEO")
    try:
        corpus = open_corpus(dataset, load_params())
        if video is None:
            typer.echo(write_page(corpus, output, worst=24 if worst is None else worst, frames=frames or 5))
        else:
            typer.echo(write_sheet(corpus, video, output, frames=frames or 12))
    except (ConfigError, TableError, ShardError, VideoError, ShowError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml, such as how2sign.")],
    output: Annotated[
        Path | None, typer.Option(help="Parquet of all findings.", show_default="data/check/DATASET.parquet")
    ] = None,
    decode: Annotated[bool, typer.Option(help="Decode every frame of every video, not the first alone.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="Findings of each kind to show.")] = 3,
) -> None:
    """Say everything that is off with a corpus, before any of it is extracted: missing, broken and unreferenced files,
    duplicates, texts that the model cannot read, captions shared by splits, and more.

    Exit code 1 where a video would be lost or the test falsified, 0 where there are warnings only.
    """
    from seds import tables
    from seds.check import FINDINGS, failed
    from seds.check import check as run
    from seds.check.findings import report
    from seds.config import ConfigError, load_params
    from seds.corpora import headers
    from seds.corpora.captions import ReleaseError
    from seds.corpora.pickles import PickleError
    from seds.corpora.prepare import counts

    place = output or Path("data/check") / f"{dataset}.parquet"
    try:
        params = load_params()
        corpus, root = params.dataset(dataset), Path("data/raw") / dataset
        videos, findings = run(dataset, corpus, root, headers.memory_of(dataset), params.machine.workers, decode)
        tables.write(findings, FINDINGS, place)
    except (ConfigError, tables.TableError, ReleaseError, PickleError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{counts(videos)}\n\n{report(findings, examples)}\nall of them in {place}")
    if failed(findings):
        raise typer.Exit(1)


@import_app.command("checkpoint")
def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A released checkpoint, such as ph_best_model.bin.")],
    output: Annotated[Path, typer.Option(help="Model folder to make, such as models/phoenix.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A released tensor that may be missing, unknown or of another shape; repeat."),
    ] = None,
) -> None:
    """Turn a checkpoint of the published SEDS release into a model folder. Nothing that the file holds is run."""
    from seds.model.published import ReleaseError
    from seds.release.model import import_checkpoint as convert
    from seds.weightfiles import WeightFileError

    try:
        model = convert(file, output, allow or [])
    except (ReleaseError, WeightFileError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{output}: {sum(p.numel() for p in model.parameters()):,} parameters, numerics {model.numerics}")


@export_app.command("checkpoint")
def export_checkpoint(
    folder: Annotated[Path, typer.Argument(help="A model folder, such as models/phoenix.")],
    output: Annotated[Path, typer.Option(help="File to write, such as phoenix.bin.")],
    dtype: Annotated[
        Literal["released", "float32"], typer.Option(help="released: the towers' projections in float16, as published.")
    ] = "released",
) -> None:
    """Turn a model folder into a checkpoint with the published release's names, shapes and types."""
    from seds.model.checkpoint import CheckpointError
    from seds.model.published import ReleaseError
    from seds.release.model import export_checkpoint as convert

    try:
        state, rounded = convert(folder, output, half=dtype == "released")
    except (CheckpointError, ReleaseError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{output}: {len(state)} tensors")
    if rounded:
        typer.echo(f"{len(rounded)} tensors were rounded to float16; --dtype float32 keeps them exact")


@app.command()
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
    from seds.config import ConfigError
    from seds.index.store import SearchError
    from seds.serve.server import ServeError
    from seds.serve.server import serve as run

    try:
        run(dataset, host, port, typer.echo)
    except (ConfigError, SearchError, ServeError, OSError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
