"""The command `seds search`. Libraries are imported when it runs, so --help is quick."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def search(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml; the stage index must have run.")],
    text: Annotated[str | None, typer.Argument(help="The sentence to search for; or use --video.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of results.")] = 10,
    video: Annotated[
        str | None, typer.Option(help="Search with a video: any file, or the id of a video of the corpus.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="Stream to compare by: fusion, pose or rgb.", show_default="the model's main one")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show for each result when each word is signed.")] = False,
    heatmap: Annotated[
        Path | None, typer.Option(help="PNG file: weight of each word over time, for the first result.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    as_csv: Annotated[
        bool, typer.Option("--csv", help="Print CSV instead; with --explain, a row per result and word.")
    ] = False,
) -> None:
    """Find videos that sign a sentence or, with --video, sentences for a video.

    Scores are the trained model's similarities: the higher, the better. Only compare scores within one search. For a
    video from outside the corpus, keypoints and features are extracted first, which takes as long as in the pipeline.
    """
    from seds.search.gallery import Gallery
    from seds.search.printed import as_csv as format_csv
    from seds.search.printed import as_json as format_json
    from seds.search.printed import table as format_table

    if (text is None) == (video is None):
        raise typer.BadParameter("give either a sentence or --video")
    if as_json and as_csv:
        raise typer.BadParameter("give either --json or --csv")
    gallery = Gallery.open(dataset)
    if text is not None:
        videos = gallery.search_text(text, k, stream)
        pairs = [(text, gallery.clip(hit.video_id)) for hit in videos]
    else:
        assert video is not None
        clip = gallery.encode_clip(Path(video)) if Path(video).exists() else gallery.clip(video)
        sentences = gallery.search_video(clip, k, stream)
        pairs = [(hit.text, clip) for hit in sentences]
    if not explain:
        pairs = pairs[: 1 if heatmap else 0]
    alignments = [gallery.explain_clip(sentence, clip, stream) for sentence, clip in pairs]
    if heatmap is not None:
        from seds.search.heat_map import write

        write(heatmap, alignments[0], title=pairs[0][1].video_id)
    hits = videos if text is not None else sentences
    explained = alignments if explain else []
    query = {"text": text} if text is not None else {"video": str(video)}
    searched = stream or gallery.streams[0]
    if as_csv:
        typer.echo(format_csv(hits, explained), nl=False)
    else:
        typer.echo(format_json(query, searched, hits, explained) if as_json else format_table(hits, explained))
    if heatmap is not None and not as_json and not as_csv:
        typer.echo(str(heatmap))
