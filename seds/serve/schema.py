"""What the API answers, field by field: the description that the server gives of itself at /api/openapi.json.

Every answer is checked against it before it is sent, so that the description cannot be out of date. All times are in
seconds from the start of a video's cut of its file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Seconds = Annotated[float, Field(description="s from the start of the video")]
Rank = Annotated[int, Field(description="from 1")]
Score = Annotated[float, Field(description="the model's similarity; only compare scores within one search")]


class Part(BaseModel):
    """One JSON object, without fields that are not described."""

    model_config = ConfigDict(extra="forbid")


class Video(Part):
    """A video of the gallery."""

    video: str = Field(description="its id, for further requests")
    name: str = Field(description="its id, for showing: printable, and cut where it is long")
    text: str = Field(description="its sentence")
    signer: str
    split: str = Field(description="train, dev or test; the model has seen train")
    seconds: float = Field(description="how long it is")


class VideoHit(Video):
    """A video that was found."""

    rank: Rank
    score: Score


class SentenceHit(Part):
    """A sentence that was found."""

    rank: Rank
    score: Score
    text: str
    videos: list[Video] = Field(description="the first videos that sign it")
    more: int = Field(description="how many other videos sign it")
    own: bool = Field(description="whether it is the sentence of the video searched with")


class VideosForSentence(Part):
    warning: str = Field(description="what speaks against the query, such as its language; empty if nothing does")
    results: list[VideoHit]


class SentencesForVideo(Part):
    video: Video
    results: list[SentenceHit]


class VideosLikeVideo(Part):
    video: Video
    results: list[VideoHit]


class Clip(Part):
    """An uploaded clip, and how far it is."""

    clip: str = Field(description="its number, for further requests")
    state: Literal["waiting", "working", "ready", "failed"]
    before: int = Field(description="how many clips are processed before it")
    done: float = Field(description="share of the work, in [0,1]")
    film: bool = Field(description="whether /media?clip= has a video of it")


class SentencesForClip(Clip):
    seconds: float = Field(description="how long it is")
    results: list[SentenceHit]


class VideosLikeClip(Clip):
    seconds: float = Field(description="how long it is")
    results: list[VideoHit]


class Moment(Part):
    start: Seconds
    end: Seconds
    score: float = Field(description="the moment's share of the word's weight, in [0,1]; 0: the word was not read")


class Why(Part):
    """When each word of a sentence is signed in a video, or which seconds of two videos are alike."""

    words: list[str] = Field(description="of the sentence; if alike, pieces of time of the video searched with")
    edges: list[float] = Field(description="bounds of V cells of time, V+1 values, s")
    weights: list[list[float]] = Field(description="of each word, one for each cell")
    moments: list[Moment] = Field(description="the best of each word")
    seconds: float = Field(description="how long the video is")
    alike: bool


class Film(Part):
    """Where in the file at /media?video= a video begins and ends."""

    start: float = Field(description="s of the file")
    end: float | None = Field(description="s of the file; null: its end")


class Error(Part):
    error: str = Field(description="what is wrong, and what to do")
