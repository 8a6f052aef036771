"""The command `seds check`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def check(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml, such as demo.")],
    output: Annotated[
        Path | None, typer.Option(help="Parquet file for all findings.", show_default="data/check/DATASET.parquet")
    ] = None,
    decode: Annotated[bool, typer.Option(help="Decode every frame of every video, not just the first.")] = False,
    examples: Annotated[int, typer.Option(min=0, help="How many findings of each kind to show.")] = 3,
) -> None:
    """Report every problem of a corpus before anything is extracted: missing, broken and unreferenced files,
    duplicates, texts that the model cannot read, sentences shared between splits, signs at impossible times, and more.

    The exit code is 1 if a video would be lost or test results would be wrong, and 0 if there are only warnings.
    """
    from seds import tables
    from seds.check.corpus import check as run
    from seds.check.corpus import failed
    from seds.check.findings import FINDINGS, report
    from seds.config import load_params
    from seds.corpora import headers
    from seds.corpora.prepare import counts

    path = output or Path("data/check") / f"{dataset}.parquet"
    params = load_params()
    corpus, root = params.dataset(dataset), Path("data/raw") / dataset
    sizes, needs_signs = params.training(dataset).model, params.train.ideas.sign_weight > 0
    cache, workers = headers.cache_path(dataset), params.machine.workers
    videos, findings = run(dataset, corpus, root, cache, workers, decode, needs_signs, sizes)
    tables.write(findings, FINDINGS, path)
    typer.echo(f"{counts(videos)}\n\n{report(findings, examples)}\nAll findings are in {path}")
    if failed(findings):
        raise typer.Exit(1)
