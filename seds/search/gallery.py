"""Searches a corpus for the videos of a sentence, the sentences of a video, or the videos that sign like another one;
tells when each word is signed.

Scores match `evaluate` up to the float16 rounding of stored tokens. Everything is scored exactly up to the size that
the index was made with (index.first_pass in params.yaml); of a larger gallery a first pass chooses the candidates.
"""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seds.config import ConfigError, Params, load_params
from seds.data.tokens import tokeniser
from seds.index.encoding import Encoded, encoded_texts, encoded_videos, window_times
from seds.index.store import TEXT, Header, Index, Rows, SearchError, model_digest, open_index
from seds.messages import printable
from seds.model import checkpoint
from seds.model.checkpoint import CheckpointError
from seds.model.seds import SEDS
from seds.search.alignment import align
from seds.search.alike import MIX, pieces
from seds.search.answer import Alignment, SentenceHit, VideoHit
from seds.search.first_pass import Ranker
from seds.search.languages import Reading, multilingual, reading
from seds.search.ranking import Query
from seds.system.workspace import MissingOutputError, require_outputs

if TYPE_CHECKING:
    import pandas as pd

    from seds.search.clips import ClipSample, Extracted, Extractors

# Characters of a query that are read: far more than a sentence has, few enough to split quickly.
QUERY_LENGTH = 10_000


@dataclass(frozen=True)
class EncodedClip:
    """An encoded video, of the gallery or not. times: float64 [V,2] s, the start and end of each window."""

    video_id: str  # the file name of a video that is not of the gallery
    encoded: Encoded
    times: np.ndarray
    duration_s: float
    row: int | None = None  # in the gallery's table, None if it is not of the gallery


class Gallery:
    """An index, the model that made it, and the tables of its videos and sentences. Threads may search at once.

    streams: of the model; the first one is the default of a search.
    videos: a row per video (video_id, sentence_id, text, text_original, language, split, signer, path, start_s, end_s,
    duration_s, fps, width, height, windows). sentences: a row per sentence (sentence_id, text, split, video_ids).
    """

    def __init__(self, index: Index, model: SEDS, params: Params, pretrained: bool = True) -> None:
        """pretrained: whether the model's text tower did not start from random weights."""
        self.index, self.model, self.params, self.pretrained = index, model, params, pretrained
        self.streams: tuple[str, ...] = index.header.streams
        video_ids = index.video_rows.column("video_id")
        self._row_of = {video_id: row for row, video_id in enumerate(video_ids)}
        self._videos_of: dict[str, list[str]] = {}  # of each sentence that has any
        for video_id, sentence_id in zip(video_ids, index.video_rows.column("sentence_id"), strict=True):
            self._videos_of.setdefault(sentence_id, []).append(video_id)
        header = index.header
        sizes = header.first_pass, header.candidates
        self._video_rankers = {
            stream: Ranker(stored, header.dual_mix, *sizes) for stream, stored in index.video_tokens.items()
        }
        self._sentence_ranker = Ranker(index.sentence_tokens, 1 - header.dual_mix, *sizes)
        self._extractors: Extractors | None = None
        self._lock = threading.Lock()

    @property
    def header(self) -> Header:
        return self.index.header

    @property
    def videos(self) -> pd.DataFrame:
        """Raises SearchError."""
        return self.index.videos

    @cached_property
    def sentences(self) -> pd.DataFrame:
        """Raises SearchError."""
        table = self.index.sentences
        return table.assign(video_ids=[self._video_ids(sentence_id) for sentence_id in table["sentence_id"]])

    @classmethod
    def open(cls, dataset: str, root: Path = Path()) -> Gallery:
        """Open the index and the model of a corpus, below `root`.

        Raises SearchError if index or model is missing or damaged, or if another model made the index; the message
        names the file and the command that makes it.
        """
        try:
            params = load_params(root / "params.yaml")
            require_outputs(dataset, "index", "train", params=params, root=root)
            index = open_index(dataset, root)
            folder = root / "models" / dataset
            model = checkpoint.load(folder)
        except (ConfigError, CheckpointError, MissingOutputError) as error:
            raise SearchError(str(error)) from None
        if model_digest(folder) != index.header.model:
            raise SearchError(
                f"the index in {index.folder} was made by another model than the one in {folder}; "
                f"run: dvc repro index@{dataset}"
            )
        provenance = checkpoint.read_config(folder)["provenance"]
        pretrained = provenance.get("clip", "unknown") is not None
        return cls(index, model.to(params.device()).eval(), params, pretrained)

    @cached_property
    def reading(self) -> Reading:
        """Which languages the model reads: those of its multilingual text side, or of its training split, or of all
        splits where that is not here.
        """

        if self.model.sizes.text == "use":
            return multilingual()

        def trained(rows: Rows, column: str) -> list[str]:
            values: list[str] = rows.column(column)
            chosen = [value for value, split in zip(values, rows.column("split"), strict=True) if split == "train"]
            return chosen or values

        texts, languages = trained(self.index.sentence_rows, "text"), trained(self.index.video_rows, "language")
        return reading(texts, languages, self.pretrained)

    def warning(self, text: str) -> str:
        """What speaks against a query in the language of this text; "" if nothing does."""
        return self.reading.warning(text[:QUERY_LENGTH])

    def search_text(self, text: str, k: int = 10, stream: str | None = None) -> list[VideoHit]:
        """The k best videos for a sentence. Raises SearchError: an empty text, an unknown stream."""
        query, ranker = self._text_query(text), self._video_rankers[self._stream(stream)]
        return [_video_hit(*found) for found in self._best(ranker, query, k, self.index.video_rows)]

    def search_like(self, clip: EncodedClip, k: int = 10, stream: str | None = None) -> list[VideoHit]:
        """The k videos that sign most like another one; without that video itself. Raises SearchError for an unknown
        stream.
        """
        chosen = self._stream(stream)
        query, rows = self._query(clip.encoded, chosen), self.index.video_rows
        return [_video_hit(*found) for found in self._best(self._video_rankers[chosen], query, k, rows, MIX, clip.row)]

    def search_video(self, clip: EncodedClip, k: int = 10, stream: str | None = None) -> list[SentenceHit]:
        """The k best sentences for a video. Raises SearchError for an unknown stream."""
        query = self._query(clip.encoded, self._stream(stream))
        return [
            SentenceHit(rank, score, row["sentence_id"], row["text"], self._video_ids(row["sentence_id"]))
            for rank, score, row in self._best(self._sentence_ranker, query, k, self.index.sentence_rows)
        ]

    def explain_clip(self, text: str, clip: EncodedClip, stream: str | None = None) -> Alignment:
        """When each word of a sentence is signed in a video. Raises SearchError."""
        query, chosen = self._text_query(text), self._stream(stream)
        sizes = self.model.sizes
        words = tokeniser(sizes).words(text[:QUERY_LENGTH], sizes.max_words)
        tokens = clip.encoded.tokens[chosen]
        weights = None if query.weights is None else query.weights[: query.valid].cpu()
        return align(words, query.tokens[: query.valid].cpu(), tokens, clip.times, weights)

    def explain_like(self, like: EncodedClip, clip: EncodedClip, stream: str | None = None) -> Alignment:
        """Which seconds of a video are like which of another, `like`, that was searched with: the Alignment's words are
        pieces of time of `like`, such as "0.5-1.0 s". Raises SearchError.
        """
        chosen = self._stream(stream)
        tokens = like.encoded.tokens[chosen][: like.encoded.valid]
        weights = like.encoded.weights.get(chosen)
        counts_for = None if weights is None else weights[: like.encoded.valid]
        return align(pieces(like.times, like.duration_s), tokens, clip.encoded.tokens[chosen], clip.times, counts_for)

    def video(self, video_id: str) -> dict[str, Any] | None:
        """The row of `videos` with that id, or None."""
        row = self._row_of.get(video_id)
        return None if row is None else self.index.video_rows[row]

    def clip(self, video_id: str) -> EncodedClip:
        """An encoded video of the gallery, by id. Raises SearchError."""
        row = self._row_of.get(video_id)
        if row is None:
            matches = difflib.get_close_matches(video_id[:200], list(self._row_of)[:10_000], 3, 0.6)
            similar = f"; similar: {', '.join(map(printable, matches))}" if matches else ""
            raise SearchError(f"the gallery of {self.header.dataset} has no video {printable(video_id)!r}{similar}")
        stored = self.index.video_tokens
        start, stop = stored[self.streams[0]].offsets[row : row + 2].tolist()
        valid = int(stored[self.streams[0]].valid[row])
        tokens = {stream: sequences.tokens[start:stop].float() for stream, sequences in stored.items()}
        times = self.index.times[start + 1 : start + valid].double().numpy()
        weights = {
            stream: sequences.weights[start:stop]
            for stream, sequences in stored.items()
            if sequences.weights is not None
        }
        return EncodedClip(
            video_id, Encoded(tokens, valid, weights), times, self.index.video_rows[row]["duration_s"], row
        )

    def encode_clip(self, path: Path) -> EncodedClip:
        """Extract and encode any video file, the way the corpus was, in a process of its own.

        Raises SearchError: not a video, no hand visible, or the corpus was extracted with other settings than
        params.yaml has now.
        """
        from seds.search.clips import load_clip  # takes a second, and is only needed for new videos

        return self._encode(load_clip(path, self.extractors(), self.header.rules))

    def encode_extracted(self, path: Path, extracted: Extracted) -> EncodedClip:
        """Encode a video file that another process has extracted. Raises SearchError if no hand is visible."""
        from seds.search.clips import ready_clip

        return self._encode(ready_clip(path, extracted, self.extractors(), self.header.rules))

    def extractors(self) -> Extractors:
        """How a new video is extracted. Raises SearchError as `encode_clip` does."""
        from seds.search.clips import extractors

        with self._lock:
            if self._extractors is None:
                self._extractors = extractors(self.header, self.params)
            return self._extractors

    def _video_ids(self, sentence_id: str) -> tuple[str, ...]:
        """Of the videos of the gallery that sign a sentence."""
        return tuple(self._videos_of.get(sentence_id, ()))

    def _encode(self, clip: ClipSample) -> EncodedClip:
        (encoded,) = encoded_videos(self.model, [clip.video])
        times = window_times(clip.video, self.header.windows.window, clip.edges)
        return EncodedClip(clip.video.video_id, encoded, times, float(clip.edges[-1]))

    def _stream(self, name: str | None) -> str:
        if name is not None and name not in self.streams:
            known = ", ".join(self.streams)
            raise SearchError(f"unknown stream {printable(name, 40)!r}; the model of {self.header.dataset} has {known}")
        return name or self.streams[0]

    def _text_query(self, text: str) -> Query:
        read = text[:QUERY_LENGTH].encode("utf-8", "replace").decode()  # replaces lone surrogates
        if not read.strip():
            raise SearchError("the query is empty; type a sentence")
        (encoded,) = encoded_texts(self.model, [read])
        return self._query(encoded, TEXT)

    def _query(self, encoded: Encoded, stream: str) -> Query:
        device, weights = self.model.logit_scale.device, encoded.weights.get(stream)
        return Query(encoded.tokens[stream].to(device), encoded.valid, None if weights is None else weights.to(device))

    def _best(
        self, ranker: Ranker, query: Query, k: int, rows: Rows, mix: float | None = None, without: int | None = None
    ) -> list[tuple[int, float, dict[str, Any]]]:
        """(rank, score, row of the table) of the k best. mix: see Ranker.best. without: the row of one left out."""
        if k < 1:
            raise SearchError(f"k is {k}, expected at least 1 result")
        indices, cosines = ranker.best(query, k + (without is not None), mix)
        if without is not None:
            others = np.flatnonzero(indices != without)[:k]
            indices, cosines = indices[others], cosines[others]
        ranked = zip((cosines * self.header.logit_scale).tolist(), indices.tolist(), strict=True)
        return [(rank, score, rows[index]) for rank, (score, index) in enumerate(ranked, start=1)]


def _video_hit(rank: int, score: float, video: Mapping[str, Any]) -> VideoHit:
    """video: its row of the table."""
    columns = {field.name: video[field.name] for field in fields(VideoHit) if field.name not in ("rank", "score")}
    return VideoHit(rank, score, **columns)
