"""The JSON of the server's responses. It never holds a path, and texts of the corpus are made printable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seds.messages import printable
from seds.search.alignment import cell_edges
from seds.search.answer import Alignment, SentenceHit, VideoHit

SENTENCE_CHARS = 2000  # longest sentence shown
SENTENCE_VIDEOS = 4  # videos shown of a sentence


def video(row: Mapping[str, Any]) -> dict[str, Any]:
    """A video of the gallery (a row of `Gallery.videos`). `video` is its id, for requests; `name` is for showing."""
    return {
        "video": row["video_id"],
        "name": printable(row["video_id"], 80),
        "text": printable(row["text"], SENTENCE_CHARS),
        "signer": printable(row["signer"], 40),
        "split": row["split"],
        "seconds": float(row["duration_s"]),
    }


def video_hit(hit: VideoHit) -> dict[str, Any]:
    return {"rank": hit.rank, "score": float(hit.score), **video(vars(hit))}


def sentence_hit(hit: SentenceHit, videos: list[dict[str, Any]], is_own: bool) -> dict[str, Any]:
    """videos: the first videos of the sentence, from `video`. is_own: it is the sentence of the queried video."""
    return {
        "rank": hit.rank,
        "score": float(hit.score),
        "text": printable(hit.text, SENTENCE_CHARS),
        "videos": videos,
        "more": len(hit.video_ids) - len(videos),
        "own": is_own,
    }


def why(alignment: Alignment, seconds: float, alike: bool = False) -> dict[str, Any]:
    """Words, their weights on the windows, and the cell of time of each window (see `cell_edges`); all times in s from
    the start of the video's cut. alike: the words are pieces of time of the video searched with.
    """
    return {
        "words": [printable(word, 60) for word in alignment.words],
        "edges": [round(float(t), 3) for t in cell_edges(alignment.times)],
        "weights": [[round(float(w), 4) for w in row] for row in alignment.weights],
        "moments": [
            {"start": float(m.start_s), "end": float(m.end_s), "score": float(m.score)} for m in alignment.moments
        ],
        "seconds": seconds,
        "alike": alike,
    }
