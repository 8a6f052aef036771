"""The command `seds compare`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

_SOURCE = "a git revision, an experiment of DVC, a folder of results, or the top of a workspace"


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=f"The model to compare with: {_SOURCE}.")],
    second: Annotated[
        str, typer.Argument(metavar="[B]", help=f"The model in question: {_SOURCE}.", show_default="this workspace")
    ] = ".",
    dataset: Annotated[
        str | None, typer.Option(help="The corpus that both were evaluated on.", show_default="the only one")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="The page to write.", show_default="show/DATASET/compare.html")
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Resamples of the sentences.")] = 5000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
    worst: Annotated[int, typer.Option(min=0, help="Queries to show that got worse, in each direction.")] = 8,
    best: Annotated[int, typer.Option(min=0, help="And that got better.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Compare two evaluated models on the same test queries: does the difference mean anything?

    Prints the difference of every metric with its paired bootstrap interval and p, and the queries won and lost, and
    writes a page with pictures of the queries that got worse. `dvc metrics diff` shows the numbers alone. Results of a
    revision or an experiment come from DVC's cache or remote; nothing in the workspace changes.
    """
    from seds.compare import differences, printed
    from seds.compare.evaluated import open_evaluated
    from seds.compare.page import page
    from seds.config import ConfigError, load_params
    from seds.system.files import write_text

    params = load_params()
    if dataset is None:
        if len(params.datasets) != 1:
            raise ConfigError(f"say which corpus with --dataset; params.yaml has: {', '.join(params.datasets)}")
        (dataset,) = params.datasets
    pair = differences.pair(open_evaluated(first, dataset), open_evaluated(second, dataset))
    rows = differences.compare(pair, resamples, seed)
    path = output or Path("show") / dataset / "compare.html"
    settings = params.report.model_copy(update={"worst": worst, "best": best})
    write_text(path, page(dataset, pair, rows, resamples, settings))
    if as_json:
        typer.echo(printed.as_json(pair, rows, resamples))
    else:
        typer.echo("\n".join([*printed.summary(pair), "", printed.table(rows), "", str(path)]))
