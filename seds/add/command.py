"""The command `seds add`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add(
    name: Annotated[str, typer.Argument(help="Name for the corpus, such as mine.")],
    path: Annotated[Path, typer.Argument(help="Its folder, or its table.")],
    kind: Annotated[
        str | None,
        typer.Option("--as", help="What it is, if that is not recognised: a corpus of params.yaml, or signs."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")] = False,
) -> None:
    """Add a corpus: recognise what lies there, link it as data/raw/NAME and add its entry to params.yaml.

    Recognised are a table of videos, ELAN files, videos with subtitles, a folder for each sign, keypoints without
    videos, and the layouts of How2Sign, PHOENIX-2014T, CSL-Daily, OpenASL, YouTube-ASL, YouTube-SL-25, BOBSL, DGS
    Corpus, ASL Citizen, WLASL, MS-ASL and Sem-Lex. Nothing is moved or overwritten, nothing but keypoints is copied,
    and every line of params.yaml stays.
    """
    from seds.add import add as adding
    from seds.add.entry import entry_lines, with_entry
    from seds.add.recognise import KEYPOINTS, others, recognise, summary
    from seds.config import load_params

    adding.check_name(name, load_params())
    found = recognise(path, kind)
    further = [] if kind else others(path, found.kind)
    at = adding.place(name, found)
    typer.echo(f"{path}: {found.kind}" + (f" (or, with --as: {', '.join(further)})" if further else ""))
    for line in found.about:
        typer.echo(line)
    if found.kind != "elan" or "sentence_tiers" in found.options:
        typer.echo(summary(found, found.folder))
    if dry_run:
        with_entry(Path("params.yaml").read_bytes().decode("utf-8"), name, found.entry)  # says why it cannot be added
        verb = "import to" if found.kind == KEYPOINTS else "link"
        typer.echo(f"would {verb} {at} and add to params.yaml:")
    else:
        typer.echo(f"{adding.add(name, found)}; added to params.yaml:")
    typer.echo("\n".join(entry_lines(name, found.entry)))
    typer.echo(f"next: seds check {name}\nthen: dvc repro evaluate@{name} index@{name}")
