"""The files of stage evaluate, in metrics/<dataset>/ and results/<dataset>/: their names, writing and reading."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from seds.errors import SedsError
from seds.retrieval.ranks import Ranking
from seds.tensorfile import TensorFileError, read_tensors, write_tensors

SCHEMA = "seds-similarity-1"
# In metrics/<dataset>/, small and tracked by git. KEYPOINTS is of stage manifest.
HEADLINE, TEST, INTERVALS, GROUPS = "headline.json", "test.json", "test_intervals.json", "test_groups.json"
KEYPOINTS = "pose.json"
# In results/<dataset>/, kept by DVC.
RANKS, SIMILARITY, RECALL, HISTOGRAM = "ranks.parquet", "similarity.safetensors", "recall.json", "rank_histogram.json"


class ResultError(SedsError, ValueError):
    """A file that is missing, damaged or of another kind; the message names it and what to run."""


@dataclass(frozen=True)
class Similarity:
    """streams: {stream: float32 [videos, sentences]}; video_ids and sentence_ids name rows and columns."""

    streams: dict[str, np.ndarray]
    video_ids: list[str]
    sentence_ids: list[str]


def write_similarity(path: Path, similarity: Similarity) -> None:
    """A tensor file with a tensor a stream; the ids are in the header. Raises StorageError."""
    header = {"schema": SCHEMA, "videos": similarity.video_ids, "sentences": similarity.sentence_ids}
    write_tensors(path, similarity.streams, header)


def read_similarity(path: Path) -> Similarity:
    """Raises ResultError."""
    again = f"make it with: dvc repro evaluate@{path.parent.name}"
    if not path.is_file():
        raise ResultError(f"{path} not found; {again}")
    try:
        streams, header = read_tensors(path, "similarity matrix", SCHEMA)
    except TensorFileError as error:
        raise ResultError(f"{error}; {again}") from None
    return Similarity(streams, header["videos"], header["sentences"])


def ranks_table(
    rankings: Mapping[str, Mapping[str, Ranking]], video_ids: Sequence[str], sentence_ids: Sequence[str]
) -> pd.DataFrame:
    """One row a stream, direction and query (tables.RANKS). T2V queries and all candidates are sentences."""
    sentences = np.asarray(sentence_ids, dtype=object)
    parts = []
    for stream, directions in rankings.items():
        for direction, ranking in directions.items():
            queries = np.arange(len(ranking.rank))
            parts.append(
                pd.DataFrame(
                    {
                        "direction": direction,
                        "stream": stream,
                        "query": sentences if direction == "t2v" else np.asarray(video_ids, dtype=object),
                        "rank": ranking.rank,
                        "score": ranking.scores[queries, ranking.right],
                        "best": sentences[ranking.best],
                        "best_score": ranking.scores[queries, ranking.best],
                        "candidates": len(sentences),
                    }
                )
            )
    return pd.concat(parts, ignore_index=True)


def read_json(path: Path, command: str) -> Any:
    """command: what makes the file. Raises ResultError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ResultError(f"{path} cannot be read ({error}); make it with: {command}") from None
