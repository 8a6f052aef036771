"""Making the index of a corpus. Each batch of videos is encoded and written before the next is encoded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import safe_open
from torch import Tensor
from tqdm import tqdm

from seds import tables
from seds.config import Index as Settings
from seds.config import SampleRules
from seds.data.samples import Video
from seds.data.split import load_videos, usable_rows
from seds.index.encoding import Encoded, encoded_texts, encoded_videos, window_times
from seds.index.row_writer import RowWriter
from seds.index.store import HEADER, SCHEMA, SENTENCES, TEXT, VIDEOS, Header, build_digest
from seds.model.seds import SEDS
from seds.model.similarity import DUAL_MIX
from seds.shards import ShardReader, extraction
from seds.system.code_version import code_version
from seds.system.files import atomic_folder, digest, storage_errors, write_text
from seds.system.jobs import JobShare
from seds.tensorfile import metadata
from seds.timing import FRAME_TIMES, duration_s, frame_edges


def build(
    name: str,
    model: SEDS,
    model_sha256: str,
    rules: SampleRules,
    settings: Settings,
    output: Path,
    data: Path = Path("data"),
    workers: int | None = None,
    job: JobShare | None = None,
    scratch: Path = Path("work"),
    spread: Callable[[Sequence[JobShare]], None] | None = None,
) -> Header | None:
    """Write the index of a corpus's usable videos to the folder `output`, whole or not at all.

    model: in evaluation mode. model_sha256: of its folder (store.model_digest). workers: threads that compute hand
    crops and windows; None = one a core. job: where videos take several files, make only those that are this job's, in
    scratch/index, and return None; a run without a job makes what is missing there and puts the index together. spread:
    has jobs done elsewhere, one for each missing file; what they leave out is made here. Apart from a table of the
    videos, memory does not grow with the corpus. Equal inputs make equal bytes. Raises DataError when no video of the
    splits is usable or the model is made for other data; StorageError; what `spread` raises.
    """
    rows = usable_rows(name, settings.splits, data)
    videos = load_videos(name, rows, rules, model.sizes, data, workers)
    pose, rgb = ShardReader(data / "pose" / name, "pose"), ShardReader(data / "rgb" / name, "rgb")
    sentences = _sentences(rows)
    contents = {
        "dataset": name,
        "model": model_sha256,
        "numerics": model.numerics,
        "token_weights": model.sizes.token_weights,
        "streams": model.streams,
        "text": model.sizes.text,
        "embed": model.sizes.embed,
        "logit_scale": model.logit_scale.exp().item(),
        "dual_mix": DUAL_MIX,
        **settings.model_dump(),
        "windows": rules.model_dump(exclude={"wrist_margin"}),
        "wrist_margin": rules.wrist_margin,
        "pose": extraction(pose.metadata),
        "rgb": extraction(rgb.metadata),
    }
    build = build_digest(contents, rows["video_id"].tolist(), sentences["sentence_id"].tolist())

    made = {"build": build, "videos": len(rows), "sentences": len(sentences)}
    names = Header.model_validate(contents | made | {"video_tokens": 0, "sentence_tokens": 0}).video_files
    kept = scratch / "index" / name / digest([build, code_version(write_shard)])[:16]

    def write(i: int, path: Path) -> None:
        part = range(len(rows))[i * settings.shard_videos : (i + 1) * settings.shard_videos]
        write_shard(model, rows, videos, part, pose, rules.window, path, build)

    if len(names) > 1:
        with storage_errors(kept):
            kept.mkdir(parents=True, exist_ok=True)
        missing = [i for i, file in enumerate(names) if not (kept / file).exists()]
        if spread is not None and job is None and missing:
            spread([JobShare(i + 1, len(names)) for i in missing])
        for i, file in enumerate(names):
            if (job is None or job.includes(i)) and not (kept / file).exists():
                write(i, kept / file)
    if job is not None:
        return None

    with atomic_folder(output) as folder:
        for i, file in enumerate(names):
            if len(names) == 1:
                write(i, folder / file)
            else:
                with storage_errors(folder):
                    shutil.move(kept / file, folder / file)
        video_rows = _write_table(rows, [folder / file for file in names], folder)
        sentence_rows = _write_sentences(model, sentences, folder, build)
        counts = {"video_tokens": video_rows, "sentence_tokens": sentence_rows}
        header = Header.model_validate(contents | made | counts)
        write_text(folder / HEADER, header.model_dump_json(indent=2) + "\n")
    shutil.rmtree(kept, ignore_errors=True)
    return header


def _sentences(rows: pd.DataFrame) -> pd.DataFrame:
    """Each sentence once, in order of first appearance, with its first video's text and split."""
    return rows.drop_duplicates("sentence_id")[["sentence_id", "text", "split"]]


def write_shard(
    model: SEDS,
    rows: pd.DataFrame,
    videos: Sequence[Video],
    part: range,
    pose: ShardReader,
    window: int,
    path: Path,
    build: str,
) -> None:
    """Write the tokens of a part of the videos to a file, whole or not at all."""
    with _writer(path, VIDEOS, build) as file:
        offsets = _Offsets(file)
        encoding = encoded_videos(model, (videos[i] for i in part))
        tokens_of_videos = tqdm(encoding, "index", len(part), unit="video", disable=None)
        some = rows.iloc[part.start : part.stop].itertuples()
        for row, i, encoded in zip(some, part, tokens_of_videos, strict=True):
            video = videos[i]
            edges = frame_edges(pose.find(row.video_id, FRAME_TIMES), int(video.raw_frames[-1]) + 1, row.fps)
            for stream, tokens in encoded.tokens.items():
                _append(file, f"/{stream}", tokens, encoded.valid, encoded.weights.get(stream))
            file.append("times", _times(window_times(video, window, edges), duration_s(row), encoded))
            offsets.append(encoded)


def _write_table(rows: pd.DataFrame, files: Sequence[Path], folder: Path) -> int:
    """Write videos.parquet; returns the number of tokens. files: those of the videos' tokens."""
    valid, tokens = [], 0
    for path in files:
        with safe_open(path, framework="np") as file:
            valid.append(file.get_tensor("valid"))
            tokens += int(file.get_tensor("offsets")[-1])
    windows = np.concatenate(valid) - 1  # the class token is no window's
    table = rows.assign(duration_s=[duration_s(row) for row in rows.itertuples()], windows=windows)
    tables.write(table[list(tables.INDEX_VIDEOS.columns)], tables.INDEX_VIDEOS, folder / f"{VIDEOS}.parquet")
    return tokens


def _write_sentences(model: SEDS, sentences: pd.DataFrame, folder: Path, build: str) -> int:
    """Write sentences.safetensors and sentences.parquet; returns the number of tokens."""
    with _writer(folder / f"{SENTENCES}.safetensors", SENTENCES, build) as file:
        offsets = _Offsets(file)
        for encoded in encoded_texts(model, sentences["text"].tolist()):
            _append(file, "", encoded.tokens[TEXT], encoded.valid, encoded.weights.get(TEXT))
            offsets.append(encoded)
    tables.write(sentences, tables.INDEX_SENTENCES, folder / f"{SENTENCES}.parquet")
    return offsets.end


def _times(windows: np.ndarray, length: float, encoded: Encoded) -> np.ndarray:
    """float32 [R,2] s of a video's tokens: the class token spans the video, padding has zeros."""
    times = np.zeros((len(next(iter(encoded.tokens.values()))), 2), np.float32)
    times[0] = 0, length
    times[1 : encoded.valid] = windows
    return times


def _append(file: RowWriter, suffix: str, tokens: Tensor, valid: int, weights: Tensor | None) -> None:
    file.append(f"tokens{suffix}", tokens.half().numpy())
    file.append(f"pooled{suffix}", tokens[:valid].mean(0, keepdim=True).numpy())
    if weights is not None:
        file.append(f"weights{suffix}", weights.numpy())


class _Offsets:
    """Writes where each item's tokens begin and how many of them are real."""

    def __init__(self, file: RowWriter) -> None:
        self._file, self.end = file, 0
        file.append("offsets", np.array([0], np.int64))

    def append(self, encoded: Encoded) -> None:
        self.end += len(next(iter(encoded.tokens.values())))
        self._file.append("offsets", np.array([self.end], np.int64))
        self._file.append("valid", np.array([encoded.valid], np.int64))


def _writer(path: Path, kind: str, build: str) -> RowWriter:
    return RowWriter(path, metadata({"build": build, "kind": kind, "schema": SCHEMA}))
