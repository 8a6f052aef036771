"""Making the index of a corpus: each usable video is read, encoded and written before the next ones are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor
from tqdm import tqdm

from seds import tables
from seds.config import Dataset, Windows
from seds.config import Index as Settings
from seds.data.split import DataError, check_features, check_windows, load_video
from seds.index.encoding import Encoded, encode_texts, encode_videos, window_times
from seds.index.row_writer import RowWriter
from seds.index.store import HEADER, SCHEMA, SENTENCES, TEXT, VIDEOS, Header, build_digest
from seds.model.seds import SEDS
from seds.shards import ShardReader, extraction
from seds.system.files import atomic_folder, write_text
from seds.tensorfile import metadata
from seds.timing import FRAME_TIMES, duration_s, frame_edges

VIDEO_BATCH = 32
TEXT_BATCH = 256
DUAL_MIX = 0.5  # of scores, as `evaluate` mixes them


def build(
    name: str,
    model: SEDS,
    model_sha256: str,
    dataset: Dataset,
    rules: Windows,
    settings: Settings,
    output: Path,
    data: Path = Path("data"),
) -> Header:
    """Write the index of a corpus's usable videos to the folder `output`, whole or not at all.

    model_sha256: of its folder (index.model_digest). Memory does not grow with the corpus. Equal inputs make equal
    bytes. Raises DataError when no video of the splits is usable or the model is made for other data.
    """
    check_windows(name, rules, model.sizes)
    manifest = tables.read(data / "manifest" / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    rows = pd.concat([manifest[(manifest["split"] == split) & manifest["usable"]] for split in settings.splits])
    if rows.empty:
        raise DataError(
            f"{name}: no usable video in split {', '.join(settings.splits)}; see {data}/manifest/{name}.parquet"
        )
    pose, rgb = ShardReader(data / "pose" / name, "pose"), ShardReader(data / "rgb" / name, "rgb")
    sentences = _sentences(rows)
    made_of = {
        "dataset": name,
        "model": model_sha256,
        "numerics": model.numerics,
        "streams": model.streams,
        "embed": model.sizes.embed,
        "logit_scale": model.logit_scale.exp().item(),
        "dual_mix": DUAL_MIX,
        **settings.model_dump(),
        "windows": rules.model_dump(),
        "wrist_margin": dataset.wrist_margin,
        "pose": extraction(pose.metadata),
        "rgb": extraction(rgb.metadata),
    }
    build = build_digest(made_of, rows["video_id"].tolist(), sentences["sentence_id"].tolist())

    with atomic_folder(output) as folder:
        video_rows = _write_videos(model, rows, pose, rgb, dataset, rules, folder, build)
        sentence_rows = _write_sentences(model, sentences, folder, build)
        counts = {
            "videos": len(rows),
            "sentences": len(sentences),
            "video_tokens": video_rows,
            "sentence_tokens": sentence_rows,
        }
        header = Header.model_validate(made_of | {"build": build} | counts)
        write_text(folder / HEADER, header.model_dump_json(indent=2) + "\n")
    return header


def _sentences(rows: pd.DataFrame) -> pd.DataFrame:
    """Each sentence once, in order of first appearance, with its first video's text and split."""
    return rows.drop_duplicates("sentence_id")[["sentence_id", "text", "split"]]


def _write_videos(
    model: SEDS,
    rows: pd.DataFrame,
    pose: ShardReader,
    rgb: ShardReader,
    dataset: Dataset,
    rules: Windows,
    folder: Path,
    build: str,
) -> int:
    """videos.safetensors and videos.parquet; returns the number of tokens."""
    windows = []
    with _writer(folder, VIDEOS, build) as file, tqdm(total=len(rows), desc="index", unit="video", disable=None) as bar:
        offsets = _Offsets(file)
        for at in range(0, len(rows), VIDEO_BATCH):
            part = list(rows.iloc[at : at + VIDEO_BATCH].itertuples())
            videos = [load_video(row, pose, rgb, dataset, rules) for row in part]
            for video in videos:
                check_features(pose.folder.name, video, model.sizes)
            for row, video, encoded in zip(part, videos, encode_videos(model, videos), strict=True):
                edges = frame_edges(pose.find(row.video_id, FRAME_TIMES), int(video.raw_frames[-1]) + 1, row.fps)
                for stream, tokens in encoded.tokens.items():
                    _append(file, f"/{stream}", tokens, encoded.valid)
                file.append("times", _times(window_times(video, rules.window, edges), duration_s(row), encoded))
                offsets.append(encoded)
                windows.append(len(video.starts))
            bar.update(len(part))
    table = rows.assign(duration_s=[duration_s(row) for row in rows.itertuples()], windows=windows)
    tables.write(table[list(tables.INDEX_VIDEOS.columns)], tables.INDEX_VIDEOS, folder / f"{VIDEOS}.parquet")
    return offsets.end


def _write_sentences(model: SEDS, sentences: pd.DataFrame, folder: Path, build: str) -> int:
    with _writer(folder, SENTENCES, build) as file:
        offsets = _Offsets(file)
        texts = sentences["text"].tolist()
        for at in range(0, len(texts), TEXT_BATCH):
            for encoded in encode_texts(model, texts[at : at + TEXT_BATCH]):
                _append(file, "", encoded.tokens[TEXT], encoded.valid)
                offsets.append(encoded)
    tables.write(sentences, tables.INDEX_SENTENCES, folder / f"{SENTENCES}.parquet")
    return offsets.end


def _times(windows: np.ndarray, length: float, encoded: Encoded) -> np.ndarray:
    """float32 [R,2]: the class token spans the video, padding nothing."""
    times = np.zeros((len(next(iter(encoded.tokens.values()))), 2), np.float32)
    times[0] = 0, length
    times[1 : encoded.valid] = windows
    return times


def _append(file: RowWriter, suffix: str, tokens: Tensor, valid: int) -> None:
    file.append(f"tokens{suffix}", tokens.half().numpy())
    file.append(f"pooled{suffix}", tokens[:valid].mean(0, keepdim=True).numpy())


class _Offsets:
    """Where each item's tokens begin, and how many of them are real, written as they come."""

    def __init__(self, file: RowWriter) -> None:
        self._file, self.end = file, 0
        file.append("offsets", np.array([0], np.int64))

    def append(self, encoded: Encoded) -> None:
        self.end += len(next(iter(encoded.tokens.values())))
        self._file.append("offsets", np.array([self.end], np.int64))
        self._file.append("valid", np.array([encoded.valid], np.int64))


def _writer(folder: Path, kind: str, build: str) -> RowWriter:
    header = {"build": build, "kind": kind, "schema": SCHEMA}
    return RowWriter(folder / f"{kind}.safetensors", metadata(header))
