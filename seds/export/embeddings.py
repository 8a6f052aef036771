"""Token embeddings of an index as files for other programs, such as a vector database.

--format safetensors: videos.safetensors and sentences.safetensors have the tensors as seds.index.store lays them out;
videos.parquet and sentences.parquet have ids, texts and the rest of the tables. Row i owns the tokens
offsets[i]:offsets[i+1].

--format parquet: video_tokens.parquet and sentence_tokens.parquet have a row per token, with vectors as lists of
float32; videos.parquet and sentences.parquet have a row per video or sentence, with the pooled vectors beside the text.

export.json is the index's header: model, streams, width, and the scale and mix of scores. With the cosines S[i,j] of a
video's tokens i and a sentence's tokens j, a score is scale * (mix * I2T + (1 - mix) * T2I): I2T is the mean over i of
sum_j S softmax_j(S/0.07), T2I the mean over j of sum_i S softmax_i(S/0.07). The inner product of two pooled vectors is
the mean of S, and finds good candidates. A model with learned token weights has them beside the tokens
(weights/<stream> or weight_<stream>): both means are then sums weighted by them.
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

from seds.index.joined import TokenRows
from seds.index.row_writer import RowWriter
from seds.index.store import HEADER, SENTENCES, TEXT, VIDEOS, Index, Sequences
from seds.system.files import atomic_write, write_bytes
from seds.tensorfile import KEY

Format = Literal["safetensors", "parquet"]
BATCH = 1_000  # videos or sentences in memory at a time


@dataclass(frozen=True)
class Collection:
    """The videos or the sentences of an index. times: float32 [N,2] s, start and end of each token, of videos only."""

    kind: str
    table: pd.DataFrame
    streams: dict[str, Sequences]
    times: TokenRows | None

    @property
    def first(self) -> Sequences:
        """Any of the streams: all have the same lengths."""
        return next(iter(self.streams.values()))


def export_embeddings(index: Index, output: Path, form: Format) -> list[Path]:
    """Write an index's embeddings to a folder. Returns the files. Memory does not grow with the index."""
    output.mkdir(parents=True, exist_ok=True)
    header = output / "export.json"
    write_bytes(header, (index.folder / HEADER).read_bytes())
    write = _tensors if form == "safetensors" else _tables
    collections = (
        Collection(VIDEOS, index.videos, index.video_tokens, index.times),
        Collection(SENTENCES, index.sentences, {TEXT: index.sentence_tokens}, None),
    )
    header_json = index.header.model_dump_json()
    return [header, *(file for collection in collections for file in write(output, collection, header_json))]


def _tensors(output: Path, collection: Collection, header: str) -> list[Path]:
    tensors, rows = output / f"{collection.kind}.safetensors", output / f"{collection.kind}.parquet"
    first = collection.first
    with RowWriter(tensors, {KEY: header}) as file:
        for start, stop, tokens in _batches(first):
            for stream, stored in collection.streams.items():
                file.append(f"tokens/{stream}", stored.tokens[tokens].numpy())
                file.append(f"pooled/{stream}", stored.pooled[start:stop].numpy())
                if stored.weights is not None:
                    file.append(f"weights/{stream}", stored.weights[tokens].numpy())
            if collection.times is not None:
                file.append("times", collection.times[tokens].numpy())
            file.append("valid", first.valid[start:stop].numpy())
        file.append("offsets", first.offsets.numpy())
    with atomic_write(rows) as temporary:
        collection.table.to_parquet(temporary, index=False)
    return [tensors, rows]


def _tables(output: Path, collection: Collection, header: str) -> list[Path]:
    singular, first, table = collection.kind.removesuffix("s"), collection.first, collection.table
    times = collection.times

    def token_rows(start: int, stop: int, tokens: slice) -> pa.Table:
        lengths = first.offsets[start : stop + 1].diff().numpy()
        position = np.concatenate([np.arange(length) for length in lengths])
        ids = table[f"{singular}_id"].iloc[start:stop].to_numpy()
        columns = {
            f"{singular}_id": pa.array(np.repeat(ids, lengths)),
            "token": pa.array(position.astype(np.int32)),
            "valid": pa.array(position < np.repeat(first.valid[start:stop].numpy(), lengths)),
        }
        if times is not None:
            span = times[tokens]
            columns |= {"start_s": pa.array(span[:, 0].numpy()), "end_s": pa.array(span[:, 1].numpy())}
        columns |= {stream: _vectors(stored.tokens[tokens]) for stream, stored in collection.streams.items()}
        columns |= {
            f"weight_{stream}": pa.array(stored.weights[tokens].numpy())
            for stream, stored in collection.streams.items()
            if stored.weights is not None
        }
        return pa.table(columns).replace_schema_metadata({"seds": header})

    def rows(start: int, stop: int, tokens: slice) -> pa.Table:
        batch = pa.Table.from_pandas(table.iloc[start:stop], preserve_index=False).replace_schema_metadata(None)
        for stream, stored in collection.streams.items():
            batch = batch.append_column(f"pooled_{stream}", _vectors(stored.pooled[start:stop]))
        return batch.replace_schema_metadata({"seds": header})

    return [
        _write_parquet(output / f"{singular}_tokens.parquet", first, token_rows),
        _write_parquet(output / f"{collection.kind}.parquet", first, rows),
    ]


def _write_parquet(path: Path, sequences: Sequences, make: Callable[[int, int, slice], pa.Table]) -> Path:
    """Write Parquet with a row group per batch."""
    batches = (make(*batch) for batch in _batches(sequences))
    first = next(batches)
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, first.schema) as writer:
        for batch in chain([first], batches):
            writer.write_table(batch)
    return path


def _batches(sequences: Sequences) -> list[tuple[int, int, slice]]:
    """(first, one past the last, slice of their tokens) of every BATCH sequences."""
    bounds = [*range(0, len(sequences), BATCH), len(sequences)]
    offsets = sequences.offsets[bounds].tolist()
    return [
        (start, stop, slice(low, high))
        for start, stop, low, high in zip(bounds, bounds[1:], offsets, offsets[1:], strict=False)
    ]


def _vectors(values: Tensor) -> pa.FixedSizeListArray:
    """[n,D] as n lists of D float32: few readers of Parquet support float16."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.float().numpy().ravel()), values.shape[1])
