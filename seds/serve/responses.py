"""What the page is told: results as plain values for JSON. Paths stay here, and texts of the corpus become
printable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seds.messages import printable
from seds.search.alignment import Alignment, cell_edges

if TYPE_CHECKING:
    from seds.search.gallery import SentenceHit, VideoHit

SENTENCE_CHARS = 2000  # shown of a sentence
SENTENCE_VIDEOS = 4  # shown of a sentence's videos


def video(row: Mapping[str, Any]) -> dict[str, Any]:
    """A video of the gallery. Its id is as it is, for asking; `name` is for showing."""
    return {
        "video": row["video_id"],
        "name": printable(row["video_id"], 80),
        "text": printable(row["text"], SENTENCE_CHARS),
        "signer": printable(row["signer"], 40),
        "split": row["split"],
        "seconds": float(row["duration_s"]),
    }


def video_hit(hit: VideoHit) -> dict[str, Any]:
    fields = ("video_id", "text", "signer", "split", "duration_s")
    return {"rank": hit.rank, "score": float(hit.score), **video({name: getattr(hit, name) for name in fields})}


def sentence_hit(hit: SentenceHit, videos: list[dict[str, Any]], own: bool) -> dict[str, Any]:
    """videos: the first of the sentence's, as `video` gives them. own: it is the sentence of the video asked about."""
    return {
        "rank": hit.rank,
        "score": float(hit.score),
        "text": printable(hit.text, SENTENCE_CHARS),
        "videos": videos,
        "more": len(hit.video_ids) - len(videos),
        "own": own,
    }


def why(alignment: Alignment, seconds: float) -> dict[str, Any]:
    """Words and their weights on windows, of which `edges` bound the cells; s from the start of the video's cut."""
    return {
        "words": [printable(word, 60) for word in alignment.words],
        "edges": [round(float(t), 3) for t in cell_edges(alignment.times)],
        "weights": [[round(float(w), 4) for w in row] for row in alignment.weights],
        "moments": [
            {"start": float(m.start_s), "end": float(m.end_s), "score": float(m.score)} for m in alignment.moments
        ],
        "seconds": seconds,
    }
