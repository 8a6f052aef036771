"""The commands `seds import ...` and `seds export checkpoint`. Libraries are imported when they run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def import_features(
    name: Annotated[str, typer.Argument(help="Name for the corpus, such as phoenix.")],
    corpus: Annotated[
        Literal["phoenix14t", "csl_daily", "how2sign"], typer.Option(help="Which corpus of the release this is.")
    ],
    captions: Annotated[Path, typer.Option(help="Folder with train.pkl, dev.pkl, test.pkl, or some of them.")],
    keypoints: Annotated[Path, typer.Option(help="Folder with one keypoint file per video: [SUBSET/]VIDEO.pkl.")],
    features: Annotated[Path, typer.Option(help="Folder with one I3D feature file per video: [SUBSET/]VIDEO.pkl.")],
    output: Annotated[Path | None, typer.Option(help="Output folder.", show_default="data/raw/NAME")] = None,
) -> None:
    """Import the keypoints, features and captions of the published SEDS release (pickle files) as a corpus.

    Pickles are read as plain data; one that would execute code is rejected and named. Videos whose files are missing or
    invalid are listed with the reason, and the rest is imported. `dvc repro` then trains and evaluates on the corpus;
    the stages pose and rgb pass on what was imported. It needs no GPU, and memory does not grow with the corpus.
    """
    from seds.config import check_corpus_name
    from seds.corpora.captions import RELEASES
    from seds.corpora.prepare import summary
    from seds.messages import summarise_skipped
    from seds.release.features import import_release

    check_corpus_name(name)
    folder = output or Path("data/raw") / name
    release = import_release(name, corpus, captions=captions, keypoints=keypoints, features=features, output=folder)
    typer.echo(summary(release.videos))
    failed = release.rgb[release.rgb["status"] != "ok"]
    if len(failed):
        reasons = zip(failed["status"], failed["video_id"], failed["detail"], strict=True)
        typer.echo("RGB features: " + summarise_skipped(reasons, len(release.rgb)))
    source = RELEASES[corpus]
    margin = "null" if source.wrist_margin is None else source.wrist_margin / source.height
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
