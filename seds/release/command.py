"""The commands `seds import ...`, `seds export checkpoint` and `signbert`. Libraries are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd


def import_features(
    name: Annotated[str, typer.Argument(help="Name for the corpus, such as phoenix.")],
    corpus: Annotated[
        Literal["phoenix14t", "csl_daily", "how2sign"] | None,
        typer.Option(help="Which corpus of the published release this is."),
    ] = None,
    captions: Annotated[Path | None, typer.Option(help="Folder with train.pkl, dev.pkl, test.pkl, or some.")] = None,
    keypoints: Annotated[Path | None, typer.Option(help="Folder with a keypoint file per video: VIDEO.pkl.")] = None,
    features: Annotated[Path | None, typer.Option(help="Folder with an I3D file per video: VIDEO.pkl.")] = None,
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="data/raw/NAME")] = None,
    source: Annotated[
        Path | None,
        typer.Option("--from", help="Other features: folder with a .npy, .npz, .h5 or .pt file [V,D] per video."),
    ] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, max=1000, help="Of these, frames a second.")] = None,
    window: Annotated[int | None, typer.Option(min=1, help="Frames of a window.")] = None,
    stride: Annotated[int | None, typer.Option(min=1, help="Frames from one window to the next.")] = None,
    weights: Annotated[str, typer.Option(help="What made them, for the model card.")] = "imported",
) -> None:
    """Import RGB features that were extracted elsewhere.

    With --corpus, --captions, --keypoints and --features: the published SEDS release, as a corpus of its own. With
    --from, --fps, --window and --stride: any features, for a corpus whose keypoints have been imported.

    Pickles are read as plain data; one that would execute code is rejected and named. Videos whose files are missing or
    invalid are listed with the reason, and the rest is imported. It needs no GPU, and memory does not grow with the
    corpus.
    """
    from seds.config import check_corpus_name

    check_corpus_name(name)
    folder = output or Path("data/raw") / name
    if source is not None:
        _import_others(name, folder, source, fps, window, stride, weights)
    else:
        _import_release(name, folder, corpus, captions, keypoints, features)


def _import_others(
    name: str, folder: Path, source: Path, fps: float | None, window: int | None, stride: int | None, weights: str
) -> None:
    from seds.imports.features import Windows
    from seds.imports.features import import_features as run
    from seds.shards import ShardReader

    if fps is None or window is None or stride is None:
        raise typer.BadParameter("--from needs --fps, --window and --stride, which no file of features says")
    index = run(source, folder, Windows(fps, window, stride), weights)
    _report_failed(index)
    first = index.loc[index["status"] == "ok", "video_id"].iloc[0]
    width = ShardReader(folder / "rgb", "rgb").read(first, ("features",))[0].shape[1]
    typer.echo(
        f"{(index['status'] == 'ok').sum():,} of {len(index):,} videos have features now, {width} a window. In "
        f"params.yaml, take streams: pose out of the entry of {name}, and set\ntrain.<profile>.model.rgb_features to "
        f"{width}; then run: dvc repro evaluate@{name}"
    )


def _report_failed(index: pd.DataFrame) -> None:
    from seds.messages import summarise_skipped

    failed = index[index["status"] != "ok"]
    if len(failed):
        reasons = zip(failed["status"], failed["video_id"], failed["detail"], strict=True)
        typer.echo("RGB features: " + summarise_skipped(reasons, len(index)))


def _import_release(
    name: str, folder: Path, corpus: str | None, captions: Path | None, keypoints: Path | None, features: Path | None
) -> None:
    from seds.corpora.captions import RELEASES
    from seds.corpora.prepare import summary
    from seds.release.features import import_release

    if corpus is None or captions is None or keypoints is None or features is None:
        raise typer.BadParameter("give --corpus, --captions, --keypoints and --features; or --from for other features")
    release = import_release(name, corpus, captions=captions, keypoints=keypoints, features=features, output=folder)
    typer.echo(summary(release.videos))
    _report_failed(release.rgb)
    margin_of = RELEASES[corpus]
    margin = "null" if margin_of.wrist_margin is None else margin_of.wrist_margin / margin_of.height
    typer.echo(f"\nImported to {folder}. Now add it to params.yaml:\n\ndatasets:\n  {name}:")
    typer.echo(
        f"    corpus: released\n    profile: auto\n    wrist_margin: {margin}\n\nand run: dvc repro evaluate@{name}"
    )


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A released checkpoint, such as ph_best_model.bin.")],
    output: Annotated[Path, typer.Option(help="Output model folder, such as models/phoenix.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(help="Accept this released tensor even if missing, unknown or of another shape; repeatable."),
    ] = None,
) -> None:
    """Convert a checkpoint of the published SEDS release to a model folder. No code in the file is executed."""
    from seds.release.model import import_checkpoint as convert

    model = convert(file, output, allow or [])
    typer.echo(f"{output}: {sum(p.numel() for p in model.parameters()):,} parameters, numerics {model.numerics}")


def export_checkpoint(
    folder: Annotated[Path, typer.Argument(help="Model folder, such as models/phoenix.")],
    output: Annotated[Path, typer.Option(help="Output file, such as phoenix.bin.")],
    dtype: Annotated[
        Literal["released", "float32"],
        typer.Option(help="released: the towers' projections are float16, as published."),
    ] = "released",
) -> None:
    """Convert a model folder to a checkpoint with the names, shapes and types of the published release."""
    from seds.release.model import export_checkpoint as convert

    state, rounded = convert(folder, output, half=dtype == "released")
    typer.echo(f"{output}: {len(state)} tensors")
    if rounded:
        typer.echo(f"{len(rounded)} tensors were rounded to float16; use --dtype float32 for exact values")


def export_signbert(
    dataset: Annotated[str, typer.Argument(help="A corpus whose pose encoder stage pretrain has trained.")],
    output: Annotated[Path, typer.Option(help="Output file, such as pretrain_signbert.pth.")],
) -> None:
    """Convert a pretrained pose encoder to a file like the release's pretrain_signbert.pth."""
    from seds.release.model import export_signbert as convert

    typer.echo(f"{output}: {convert(dataset, output)} tensors")
