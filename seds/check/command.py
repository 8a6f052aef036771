"""`seds check`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


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
    from seds.check.corpus import check as run
    from seds.check.corpus import failed
    from seds.check.findings import FINDINGS, report
    from seds.config import load_params
    from seds.corpora import headers
    from seds.corpora.prepare import counts

    place = output or Path("data/check") / f"{dataset}.parquet"
    params = load_params()
    corpus, root = params.dataset(dataset), Path("data/raw") / dataset
    videos, findings = run(dataset, corpus, root, headers.cache_path(dataset), params.machine.workers, decode)
    tables.write(findings, FINDINGS, place)
    typer.echo(f"{counts(videos)}\n\n{report(findings, examples)}\nall of them in {place}")
    if failed(findings):
        raise typer.Exit(1)
