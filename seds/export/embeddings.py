"""Token embeddings of an index as files for other programs, such as a vector database.

safetensors  videos.safetensors, sentences.safetensors: tensors as seds.index.store lays them out, with the ids and
             all else of the table beside them (videos.parquet, sentences.parquet), whose row i owns the tokens
             offsets[i]:offsets[i+1].
parquet      video_tokens.parquet, sentence_tokens.parquet: a row a token, its vectors as lists of float32;
             videos.parquet, sentences.parquet: a row each, with the pooled vectors beside the text.

export.json is the index's header: model, streams, width, and the scale and mixture of scores. With cosines S[i,j] of a
video's tokens i and a sentence's tokens j, a score is scale * (mix * I2T + (1 - mix) * T2I): I2T is the mean over i of
sum_j S softmax_j(S/0.07), T2I the mean over j of sum_i S softmax_i(S/0.07). The inner product of two pooled vectors is
the mean of S, and finds good candidates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from seds.index.row_writer import RowWriter
from seds.index.store import HEADER, SENTENCES, TEXT, VIDEOS, Index, Sequences
from seds.system.files import atomic_write, write_bytes
from seds.tensorfile import KEY

Format = Literal["safetensors", "parquet"]
BATCH = 1_000  # videos or sentences in memory at a time


@dataclass(frozen=True)
class Stored:
    """The videos or the sentences of an index. times: float32 [N,2] s, of the tokens of videos."""

    kind: str
    table: pd.DataFrame
    streams: dict[str, Sequences]
    times: Tensor | None

    @property
    def first(self) -> Sequences:
        """The lengths of any stream are those of all."""
        return next(iter(self.streams.values()))


def export_embeddings(index: Index, output: Path, form: Format) -> list[Path]:
    """Write an index's embeddings to a folder, which is made; returns the files. Memory does not grow with them."""
    output.mkdir(parents=True, exist_ok=True)
    header = output / "export.json"
    write_bytes(header, (index.folder / HEADER).read_bytes())
    write = _tensors if form == "safetensors" else _tables
    parts = (
        Stored(VIDEOS, index.videos, index.video_tokens, index.times),
        Stored(SENTENCES, index.sentences, {TEXT: index.sentence_tokens}, None),
    )
    return [header, *(file for part in parts for file in write(output, part, index.header.model_dump_json()))]


def _tensors(output: Path, part: Stored, header: str) -> list[Path]:
    tensors, rows = output / f"{part.kind}.safetensors", output / f"{part.kind}.parquet"
    first = part.first
    with RowWriter(tensors, {KEY: header}) as file:
        for start, stop, tokens in _parts(first):
            for stream, stored in part.streams.items():
                file.append(f"tokens/{stream}", stored.tokens[tokens].numpy())
                file.append(f"pooled/{stream}", stored.pooled[start:stop].numpy())
            if part.times is not None:
                file.append("times", part.times[tokens].numpy())
            file.append("valid", first.valid[start:stop].numpy())
        file.append("offsets", first.offsets.numpy())
    with atomic_write(rows) as temporary:
        part.table.to_parquet(temporary, index=False)
    return [tensors, rows]


def _tables(output: Path, part: Stored, header: str) -> list[Path]:
    singular, first, table, times = part.kind.removesuffix("s"), part.first, part.table, part.times

    def token_rows(start: int, stop: int, tokens: slice) -> pa.Table:
        lengths = first.offsets[start : stop + 1].diff().numpy()
        place = np.concatenate([np.arange(length) for length in lengths])
        ids = table[f"{singular}_id"].iloc[start:stop].to_numpy()
        columns = {
            f"{singular}_id": pa.array(np.repeat(ids, lengths)),
            "token": pa.array(place.astype(np.int32)),
            "valid": pa.array(place < np.repeat(first.valid[start:stop].numpy(), lengths)),
        }
        if times is not None:
            columns |= {"start_s": pa.array(times[tokens, 0].numpy()), "end_s": pa.array(times[tokens, 1].numpy())}
        columns |= {stream: _vectors(stored.tokens[tokens]) for stream, stored in part.streams.items()}
        return pa.table(columns).replace_schema_metadata({"seds": header})

    def rows(start: int, stop: int, tokens: slice) -> pa.Table:
        made = pa.Table.from_pandas(table.iloc[start:stop], preserve_index=False).replace_schema_metadata(None)
        for stream, stored in part.streams.items():
            made = made.append_column(f"pooled_{stream}", _vectors(stored.pooled[start:stop]))
        return made.replace_schema_metadata({"seds": header})

    return [
        _written(output / f"{singular}_tokens.parquet", first, token_rows),
        _written(output / f"{part.kind}.parquet", first, rows),
    ]


def _written(path: Path, sequences: Sequences, make: Callable[[int, int, slice], pa.Table]) -> Path:
    """Parquet with a row group a part."""
    parts = (make(*part) for part in _parts(sequences))
    first = next(parts)
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, first.schema) as writer:
        for part in chain([first], parts):
            writer.write_table(part)
    return path


def _parts(sequences: Sequences) -> list[tuple[int, int, slice]]:
    """(first, one past the last, their tokens) of BATCH sequences each."""
    bounds = [*range(0, len(sequences), BATCH), len(sequences)]
    offsets = sequences.offsets[bounds].tolist()
    return [
        (start, stop, slice(low, high))
        for start, stop, low, high in zip(bounds, bounds[1:], offsets, offsets[1:], strict=False)
    ]


def _vectors(values: Tensor) -> pa.FixedSizeListArray:
    """[n,D] -> n lists of D float32: few readers of Parquet know float16."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.float().numpy().ravel()), values.shape[1])
