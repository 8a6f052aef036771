"""`seds import` and `seds export checkpoint`: from released files and back. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


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
    from seds.corpora.captions import RELEASES
    from seds.corpora.prepare import summary
    from seds.messages import summarise_skipped
    from seds.release.features import import_release

    place = output or Path("data/raw") / name
    done = import_release(name, corpus, captions=captions, keypoints=keypoints, features=features, output=place)
    typer.echo(summary(done.videos))
    failed = done.rgb[done.rgb["status"] != "ok"]
    if len(failed):
        reasons = zip(failed["status"], failed["video_id"], failed["detail"], strict=True)
        typer.echo("RGB features: " + summarise_skipped(reasons, len(done.rgb)))
    release = RELEASES[corpus]
    margin = "null" if release.wrist_margin is None else release.wrist_margin / release.height
    typer.echo(f"\nIt lies in {place}. Next, in params.yaml:\n\ndatasets:\n  {name}:")
    typer.echo(
        f"    corpus: released\n    profile: auto\n    wrist_margin: {margin}\n\nand then: dvc repro evaluate@{name}"
    )


def import_checkpoint(
    file: Annotated[Path, typer.Argument(help="A released checkpoint, such as ph_best_model.bin.")],
    output: Annotated[Path, typer.Option(help="Model folder to make, such as models/phoenix.")],
    allow: Annotated[
        list[str] | None,
        typer.Option(help="A released tensor that may be missing, unknown or of another shape; repeat."),
    ] = None,
) -> None:
    """Turn a checkpoint of the published SEDS release into a model folder. Nothing that the file holds is run."""
    from seds.release.model import import_checkpoint as convert

    model = convert(file, output, allow or [])
    typer.echo(f"{output}: {sum(p.numel() for p in model.parameters()):,} parameters, numerics {model.numerics}")


def export_checkpoint(
    folder: Annotated[Path, typer.Argument(help="A model folder, such as models/phoenix.")],
    output: Annotated[Path, typer.Option(help="File to write, such as phoenix.bin.")],
    dtype: Annotated[
        Literal["released", "float32"], typer.Option(help="released: the towers' projections in float16, as published.")
    ] = "released",
) -> None:
    """Turn a model folder into a checkpoint with the published release's names, shapes and types."""
    from seds.release.model import export_checkpoint as convert

    state, rounded = convert(folder, output, half=dtype == "released")
    typer.echo(f"{output}: {len(state)} tensors")
    if rounded:
        typer.echo(f"{len(rounded)} tensors were rounded to float16; --dtype float32 keeps them exact")
