"""What a search asks and what it finds, without the libraries that search: a running server may answer instead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from seds.search.gallery import EncodedClip, Gallery


@dataclass(frozen=True)
class VideoHit:
    """A video of the results. start_s, end_s: its cut of the file, in seconds; None means the file's start or end."""

    rank: int  # from 1
    score: float
    video_id: str
    sentence_id: str
    text: str
    path: str  # "" if only its features were released
    start_s: float | None
    end_s: float | None
    duration_s: float
    split: str
    signer: str


@dataclass(frozen=True)
class SentenceHit:
    """A sentence of the results."""

    rank: int  # from 1
    score: float
    sentence_id: str
    text: str
    video_ids: tuple[str, ...]  # videos of the gallery that sign it


@dataclass(frozen=True)
class Moment:
    """The span of time in which a word's weight most exceeds its mean, in seconds from the start of the video's cut.

    score: its share of the word's weight on all windows, in [0,1].
    """

    start_s: float
    end_s: float
    score: float


@dataclass(frozen=True)
class Alignment:
    """words: of the sentence, as the tokeniser reads them. times: float64 [V,2] s, the start and end of each window.

    weights: float64 [words,V], the weight of each word on each window. class_weights: float64 [words], its weight on
    the class token. A row and its class weight sum to 1; to less if padding gets weight, too (published numerics), and
    to 0 if all tokens of the word were dropped from a long sentence.
    moments: one per word; for a word without weight, the whole video with score 0.
    """

    words: tuple[str, ...]
    times: np.ndarray
    weights: np.ndarray
    class_weights: np.ndarray
    moments: tuple[Moment, ...]


@dataclass(frozen=True)
class Question:
    """text, video or like: the sentence to search for, or the id of a video of the gallery of which it wants sentences,
    or videos that sign like it. explained: of how many results it wants to know when each word is signed.
    """

    text: str | None
    video: str | None
    like: str | None
    k: int
    stream: str | None
    explained: int


@dataclass(frozen=True)
class Answer:
    """stream: the one that was compared. hits: VideoHit for a text and for videos that sign alike,
    SentenceHit for a video. alignments: of the first
    hits. reads: the languages that the model reads, ISO 639-1. warning: what speaks against a text, "" if nothing.
    """

    stream: str
    hits: tuple[VideoHit, ...] | tuple[SentenceHit, ...]
    alignments: tuple[Alignment, ...]
    reads: tuple[str, ...]
    warning: str


def answer(gallery: Gallery, question: Question, clip: EncodedClip | None = None) -> Answer:
    """Search a gallery. clip: the video to search with, if it is none of the gallery. Raises SearchError."""
    k, stream, text = question.k, question.stream, question.text
    hits: tuple[VideoHit, ...] | tuple[SentenceHit, ...]
    if text is not None:
        hits = videos = tuple(gallery.search_text(text, k, stream))
        explained = [gallery.clip(hit.video_id) for hit in videos[: question.explained]]
        alignments = [gallery.explain_clip(text, found, stream) for found in explained]
    elif question.like is not None:
        like = clip or gallery.clip(question.like)
        hits = videos = tuple(gallery.search_like(like, k, stream))
        explained = [gallery.clip(hit.video_id) for hit in videos[: question.explained]]
        alignments = [gallery.explain_like(like, found, stream) for found in explained]
    else:
        assert question.video is not None
        own = clip or gallery.clip(question.video)
        hits = sentences = tuple(gallery.search_video(own, k, stream))
        alignments = [gallery.explain_clip(hit.text, own, stream) for hit in sentences[: question.explained]]
    warning = "" if text is None else gallery.warning(text)
    return Answer(stream or gallery.streams[0], hits, tuple(alignments), gallery.reading.languages, warning)


def to_json(found: Answer) -> dict[str, Any]:
    """For `from_json`, which gets every digit back."""
    kind = "videos" if found.hits and isinstance(found.hits[0], VideoHit) else "sentences"
    alignments = [
        asdict(each) | {name: getattr(each, name).tolist() for name in ("times", "weights", "class_weights")}
        for each in found.alignments
    ]
    about = {"stream": found.stream, "reads": found.reads, "warning": found.warning}
    return about | {kind: [asdict(hit) for hit in found.hits], "alignments": alignments}


def from_json(read: Mapping[str, Any]) -> Answer:
    """The answer that was sent. Raises KeyError, TypeError and ValueError for anything else."""
    hits: tuple[VideoHit, ...] | tuple[SentenceHit, ...]
    if "videos" in read:
        hits = tuple(VideoHit(**hit) for hit in read["videos"])
    else:
        hits = tuple(SentenceHit(**hit | {"video_ids": tuple(hit["video_ids"])}) for hit in read["sentences"])
    alignments = tuple(map(_alignment, read["alignments"]))
    return Answer(read["stream"], hits, alignments, tuple(read["reads"]), read["warning"])


def _alignment(read: Mapping[str, Any]) -> Alignment:
    import numpy as np  # which most answers do without

    arrays = {name: np.array(read[name], np.float64) for name in ("times", "weights", "class_weights")}
    moments = tuple(Moment(**moment) for moment in read["moments"])
    return Alignment(tuple(read["words"]), moments=moments, **arrays)
