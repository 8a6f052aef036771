"""The command `seds search`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seds.search.answer import Answer, Question, VideoHit, answer
from seds.search.language_names import language_names
from seds.system.memory import garbage_kept


def search(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stage index must have run.")],
    text: Annotated[str | None, typer.Argument(help="The sentence to search for; or use --video or --like.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of results.")] = 10,
    video: Annotated[
        str | None, typer.Option(help="Search with a video: any file, or the id of a video of the corpus.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(help="Search videos that sign like this one: a file, or the id of a video of the corpus."),
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="Stream to compare by: fusion, pose or rgb.", show_default="the model's main one")
    ] = None,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show for each result when each word is signed, or which seconds are alike."),
    ] = False,
    heatmap: Annotated[
        Path | None, typer.Option(help="PNG file: weight of each word, or second, over time, for the first result.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV instead; with --explain, a row per result and word.")
    ] = False,
    use_server: Annotated[
        bool, typer.Option("--server/--no-server", help="Let a running `seds serve` of the corpus answer, in no time.")
    ] = True,
) -> None:
    """Find videos that sign a sentence, with --video sentences for a video, with --like videos that sign like it.

    Scores are the trained model's similarities: the higher, the better. Only compare scores within one search. For a
    video from outside the corpus, keypoints and features are extracted first, which takes as long as in the pipeline.
    """
    from seds.search.printed import as_csv as format_csv
    from seds.search.printed import as_json as format_json
    from seds.search.printed import table as format_table

    if sum(given is not None for given in (text, video, like)) != 1:
        raise typer.BadParameter("give either a sentence, --video or --like")
    if as_json and as_csv:
        raise typer.BadParameter("give either --json or --csv")
    question = Question(text, video, like, k, stream, k if explain else int(heatmap is not None))
    found = _find(dataset, question, use_server)
    if heatmap is not None:
        from seds.search.heat_map import write

        first = found.hits[0]
        title = first.video_id if isinstance(first, VideoHit) else _name(str(video))
        write(heatmap, found.alignments[0], title)
    explained = found.alignments if explain else ()
    query = {name: given for name, given in (("text", text), ("video", video), ("like", like)) if given is not None}
    if found.warning:
        typer.echo(f"warning: {found.warning}", err=True)
    if as_csv:
        typer.echo(format_csv(found.hits, explained), nl=False)
    else:
        whole = format_json(query, found, explained) if as_json else None
        typer.echo(whole or format_table(found.hits, explained))
        if text is not None and not as_json and not found.warning:
            typer.echo(f"The model reads {language_names(found.reads)}.", err=True)
    if heatmap is not None and not as_json and not as_csv:
        typer.echo(str(heatmap))


def _find(dataset: str, question: Question, use_server: bool) -> Answer:
    """The answer of a running `seds serve`; without one, and for a video file, of this process. Raises SearchError."""
    shown = question.video if question.like is None else question.like
    file = Path(shown) if shown is not None and Path(shown).exists() else None
    if use_server and file is None:
        from seds.serve.running import ask

        if found := ask(dataset, question):
            return found

    with garbage_kept():
        import torch

        from seds.index.store import SearchError
        from seds.messages import printable
        from seds.search.gallery import Gallery

        torch.set_num_threads(1)  # as a server does: sums in the same order, and one query has little to share
        gallery = Gallery.open(dataset)
        if shown is not None and file is not None and shown == file.name and gallery.video(shown):
            raise SearchError(
                f"{printable(shown)} is a file here and a video of {dataset}; write ./{printable(shown)} for the file"
            )
        return answer(gallery, question, gallery.encode_clip(file) if file else None)


def _name(video: str) -> str:
    return Path(video).name if Path(video).exists() else video
