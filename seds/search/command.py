"""`seds search`: its arguments, and what it does with them. Imports what it needs when it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def search(
    dataset: Annotated[str, typer.Argument(help="A corpus of params.yaml whose stage index has run.")],
    text: Annotated[str | None, typer.Argument(help="A sentence. Without it, give --video.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Results.")] = 10,
    video: Annotated[
        str | None, typer.Option(help="A video file, of the corpus or not, or the id of one of its videos.")
    ] = None,
    stream: Annotated[
        str | None, typer.Option(help="What to compare: fusion, pose or rgb.", show_default="the model's main one")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say for each result when which word is signed.")] = False,
    heatmap: Annotated[Path | None, typer.Option(help="PNG to write: words of the first result against time.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Find the videos of a corpus that sign a sentence, or the sentences that a video signs.

    Scores are those of the trained model, the larger the better; they are comparable within one search only.
    A video that is not of the corpus is first made what the model reads, which takes about as long as in the stages.
    """
    from seds.search.gallery import Gallery
    from seds.search.printed import as_json as to_json
    from seds.search.printed import table

    if (text is None) == (video is None):
        raise typer.BadParameter("give either a sentence or --video")
    gallery = Gallery.open(dataset)
    shown = stream or gallery.streams[0]
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
    typer.echo(to_json(query, shown, hits, explained) if as_json else table(hits, explained))
    if heatmap is not None and not as_json:
        typer.echo(str(heatmap))
