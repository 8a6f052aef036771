"""The index of a corpus, the token embeddings of its videos and sentences by one model, and its files.

index/<dataset>/
  index.json               the model, the data and the settings that it was made with (Header)
  videos.parquet           a row per video (tables.INDEX_VIDEOS), in the order of the tokens
  sentences.parquet        a row per distinct sentence (tables.INDEX_SENTENCES)
  videos.safetensors       tokens/<stream>  float16 [N,D]  all videos' tokens end to end, each of length 1
                           pooled/<stream>  float32 [n,D]  their mean over a video's valid tokens
                           weights/<stream> float32 [N]    where the model learnt them, what each token counts for in
                                                           place of that mean, 1 in sum over a video
                           offsets          int64 [n+1]    video i's tokens are rows offsets[i]:offsets[i+1]
                           valid            int64 [n]      how many of a video's tokens are real; these come first
                           times            float32 [N,2]  s from the start of the video's cut: a window's token spans
                                                           its first frame to the end of its last; the class token,
                                                           each video's first, spans the video
  sentences.safetensors    tokens, pooled, weights where there are any, offsets, valid

An index of more than `index.shard_videos` videos has several files of videos, `videos-00000-of-00003.safetensors` and
so on, each as above with the next so many videos and offsets that begin at 0. They are opened as one.

Padding influences scores under the published numerics, so it is stored there; otherwise every token is valid. Each file
has the digest of the whole build, so that files of two builds are never mixed. Tokens are mapped, not loaded.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import pyarrow as pa
import torch
from pyarrow import parquet
from pydantic import Field, ValidationError
from torch import Tensor

from seds.config import Manifest, SampleRules, Section
from seds.errors import SedsError
from seds.index.joined import JoinedRows, TokenRows
from seds.model.checkpoint import CONFIG, WEIGHTS
from seds.system.files import digest, file_sha256
from seds.tensorfile import TensorFileError, read_tensors

if TYPE_CHECKING:
    import pandas as pd

SCHEMA: Final = "seds-index-1"
FOLDER = Path("index")  # below it a folder a corpus
HEADER, VIDEOS, SENTENCES = "index.json", "videos", "sentences"
TEXT = "text"  # the one stream that sentences have
# The columns that every search reads, of text and of numbers, and those of them that may have no value. The whole
# contract (seds.tables) is checked when the index is made, and when all of a table is asked for: the libraries that do
# it take a third of a second to load.
_TEXTS = {VIDEOS: ("video_id", "sentence_id", "text", "split", "signer", "path"), SENTENCES: ("sentence_id", "text")}
_NUMBERS = {VIDEOS: ("start_s", "end_s", "duration_s", "fps"), SENTENCES: ()}
_OPTIONAL = ("start_s", "end_s")


class SearchError(SedsError, ValueError):
    """An index or a query that cannot be used; the message says which, why, and what to run or to ask instead."""


class Header(Section):
    """index.json. `build` is a digest of all but the counts, and of the ids of the videos and sentences."""

    schema_version: Literal["seds-index-1"] = SCHEMA
    build: str
    dataset: str
    model: str  # sha256 over the model folder, see model_digest
    numerics: Literal["default", "published"]
    token_weights: Literal["mean", "learned"] = "mean"
    streams: tuple[str, ...]  # the first is the one that searches rank by
    text: str = "clip"  # what reads sentences and queries, train.*.model.text
    embed: int  # D
    logit_scale: float  # scores are cosines times this
    dual_mix: float  # share of the score that is video-to-text
    splits: tuple[str, ...]
    first_pass: int = Field(ge=1)  # up to this many videos or sentences, all are scored exactly
    candidates: int = Field(ge=1)  # how many are, of more than that
    shard_videos: int = Field(ge=1)  # per file of videos' tokens
    windows: Manifest  # rules of frames, crops and windows
    wrist_margin: float | None
    pose: dict[str, str]  # how keypoints were extracted, from the headers of the shards
    rgb: dict[str, str]
    videos: int
    sentences: int
    video_tokens: int
    sentence_tokens: int

    @property
    def video_files(self) -> list[str]:
        """Names of the files of videos' tokens, in their order."""
        count = max(1, -(-self.videos // self.shard_videos))
        if count == 1:
            return [f"{VIDEOS}.safetensors"]
        return [f"{VIDEOS}-{i:05d}-of-{count:05d}.safetensors" for i in range(count)]

    @property
    def rules(self) -> SampleRules:
        """How to read the keypoints of a new video."""
        return SampleRules(**self.windows.model_dump(), wrist_margin=self.wrist_margin)


@dataclass(frozen=True)
class Sequences:
    """Many token sequences of one stream, end to end; mapped from disk.

    tokens: float16 [N,D]; pooled: float32 [n,D]; offsets: int64 [n+1]; valid: int64 [n]; weights: float32 [N], what
    each token counts for in its sequence, None = all valid ones alike.
    """

    tokens: TokenRows
    pooled: TokenRows
    offsets: Tensor
    valid: Tensor
    weights: TokenRows | None = None

    def __len__(self) -> int:
        return len(self.valid)


@dataclass(frozen=True)
class Rows:
    """One of the tables: rows[3] is the fourth row, {column: value}, None where it has no value."""

    path: Path
    table: pa.Table

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, row: int) -> dict[str, Any]:
        return {name: self.table.column(name)[row].as_py() for name in self.table.column_names}

    def column(self, name: str) -> list[Any]:
        """All values of a column."""
        values: list[Any] = self.table.column(name).to_pylist()
        return values

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The whole table, checked. Raises SearchError."""
        from seds import tables

        schema = tables.INDEX_VIDEOS if self.path.stem == VIDEOS else tables.INDEX_SENTENCES
        try:
            return tables.check(self.table.to_pandas(), schema, self.path)
        except tables.TableError as error:
            raise SearchError(f"{error}; {_again(self.path.parent)}") from None


@dataclass(frozen=True)
class Index:
    """An index that has been opened and checked."""

    folder: Path
    header: Header
    video_rows: Rows
    sentence_rows: Rows
    video_tokens: dict[str, Sequences]  # by stream
    sentence_tokens: Sequences
    times: TokenRows  # float32 [N,2] s, of the videos' tokens

    @property
    def videos(self) -> pd.DataFrame:
        """tables.INDEX_VIDEOS. Raises SearchError."""
        return self.video_rows.frame

    @property
    def sentences(self) -> pd.DataFrame:
        """tables.INDEX_SENTENCES. Raises SearchError."""
        return self.sentence_rows.frame


def open_index(dataset: str, root: Path = Path()) -> Index:
    """The index of a corpus below `root`. Raises SearchError naming the file and the command that makes it again."""
    folder = root / FOLDER / dataset
    header = read_header(folder)
    if header.dataset != dataset:
        raise SearchError(f"{folder / HEADER} is the index of {header.dataset!r}, not of {dataset!r}; {_again(folder)}")
    videos, sentences = (_read_rows(folder, kind) for kind in (VIDEOS, SENTENCES))
    of_videos = _joined([_read(folder / name, VIDEOS, header.build) for name in header.video_files], folder)
    of_sentences = _joined([_read(folder / f"{SENTENCES}.safetensors", SENTENCES, header.build)], folder)
    counts = (
        (videos, VIDEOS, header.videos, header.video_tokens),
        (sentences, SENTENCES, header.sentences, header.sentence_tokens),
    )
    for table, kind, number, _ in counts:
        if len(table) != number:
            raise SearchError(
                f"{folder / kind}.parquet has {len(table)} rows, {folder / HEADER} says {number}; {_again(folder)}"
            )

    def sequences(tensors: dict[str, Any], kind: str, stream: str, number: int, tokens: int) -> Sequences:
        suffix = "" if kind == SENTENCES else f"/{stream}"
        names = (f"tokens{suffix}", f"pooled{suffix}", "offsets", "valid")
        stored = Sequences(*(tensors[name] for name in names))
        shapes = [list(tensors[name].shape) for name in names]
        expected = [[tokens, header.embed], [number, header.embed], [number + 1], [number]]
        lengths = stored.offsets.diff()
        whole = shapes == expected and stored.offsets[0] == 0 and stored.offsets[-1] == tokens
        if not whole or not ((stored.valid >= 1) & (stored.valid <= lengths)).all():
            raise SearchError(
                f"{folder / kind}.safetensors: tokens, pooled, offsets and valid of {stream} have shapes {shapes}, "
                f"expected {expected} with offsets from 0 to {tokens}; {_again(folder)}"
            )
        if header.token_weights == "mean":
            return stored
        weights = tensors[f"weights{suffix}"]
        if list(weights.shape) != [tokens]:
            raise SearchError(
                f"{folder / kind}.safetensors: weights of {stream} have shape {list(weights.shape)}, expected "
                f"[{tokens}]; {_again(folder)}"
            )
        return replace(stored, weights=weights)

    try:
        index = Index(
            folder,
            header,
            videos,
            sentences,
            {s: sequences(of_videos, VIDEOS, s, header.videos, header.video_tokens) for s in header.streams},
            sequences(of_sentences, SENTENCES, TEXT, header.sentences, header.sentence_tokens),
            of_videos["times"],
        )
    except KeyError as error:
        raise SearchError(f"{folder}: its tensors lack {error}; {_again(folder)}") from None
    if list(index.times.shape) != [header.video_tokens, 2]:
        shape = list(index.times.shape)
        raise SearchError(f"{folder / VIDEOS}.safetensors: times have shape {shape}; {_again(folder)}")
    return index


def read_header(folder: Path) -> Header:
    """Raises SearchError."""
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SearchError(f"{path} not found; make the index with: {_command(folder)}") from None
    except (json.JSONDecodeError, UnicodeDecodeError, OSError) as error:
        raise SearchError(f"{path} cannot be read ({error}); {_again(folder)}") from None
    version = header.get("schema_version") if isinstance(header, dict) else None
    if version != SCHEMA:
        raise SearchError(f"{path}: expected schema {SCHEMA!r}, found {version!r}; {_again(folder)}")
    try:
        return Header.model_validate(header)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SearchError(f"{path} is not an index's header: {where}: {first['msg']}; {_again(folder)}") from None


def model_digest(folder: Path) -> str:
    """sha256 (hex) over a model folder: weights and configuration, not the card."""
    return digest([file_sha256(folder / name) for name in (CONFIG, WEIGHTS)])


def build_digest(settings: Mapping[str, object], video_ids: Sequence[str], sentence_ids: Sequence[str]) -> str:
    """64 hex digits for the settings and the contents of an index."""
    return digest([dict(settings), list(video_ids), list(sentence_ids)])


def _read_rows(folder: Path, kind: str) -> Rows:
    """One of the tables. Raises SearchError if it is missing or damaged, or lacks what a search reads."""
    path = folder / f"{kind}.parquet"
    if not path.is_file():
        raise SearchError(f"{path} not found; make it with: {_command(folder)}")
    try:
        with parquet.ParquetFile(path) as file:  # `read_table` would import pandas
            table = file.read().combine_chunks()
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SearchError(f"{path} is not a readable Parquet file ({error}); {_again(folder)}") from None
    for names, is_kind in ((_TEXTS[kind], _is_text), (_NUMBERS[kind], _is_number)):
        for name in names:
            if name not in table.column_names:
                raise SearchError(f"{path} has no column {name}; {_again(folder)}")
            column = table.column(name)
            if not is_kind(column.type) or (column.null_count and name not in _OPTIONAL):
                found = f"{column.type}, {column.null_count} of {len(table)} values missing"
                raise SearchError(f"{path} breaks its contract: column {name}: {found}; {_again(folder)}")
    return Rows(path, table)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_floating(kind) or pa.types.is_null(kind)


def _joined(files: list[dict[str, Tensor]], folder: Path) -> dict[str, Any]:
    """The tensors of several files as one's; offsets and valid are put together in memory."""
    if len(files) == 1:
        return dict(files[0])
    try:
        joined: dict[str, Any] = {name: JoinedRows([file[name] for file in files]) for name in files[0]}
        joined["valid"] = torch.cat([file["valid"] for file in files])
        lengths = torch.cat([file["offsets"].diff() for file in files])
    except KeyError as error:
        raise SearchError(f"{folder}: its tensors lack {error}; {_again(folder)}") from None
    except ValueError as error:
        raise SearchError(f"{folder}: the files of one index differ: {error}; {_again(folder)}") from None
    joined["offsets"] = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])
    return joined


def _read(path: Path, kind: str, build: str) -> dict[str, Tensor]:
    """The tensors of one file, mapped. Raises SearchError if it is missing, damaged, foreign or of another build."""
    folder = path.parent
    if not path.is_file():
        raise SearchError(f"{path} not found; make it with: {_command(folder)}")
    try:
        # PyTorch's tensors of a file are views of its mapping: a row is read from disk when it is used.
        tensors, header = read_tensors(path, "index file", SCHEMA, "pt", kind=kind)
    except TensorFileError as error:
        raise SearchError(f"{error}; {_again(folder)}") from None
    if header.get("build") != build:
        raise SearchError(f"{path} belongs to another index than {folder / HEADER}; {_again(folder)}")
    return tensors


def _command(folder: Path) -> str:
    return f"dvc repro index@{folder.name}"


def _again(folder: Path) -> str:
    return f"make it again with: {_command(folder)} --force"
