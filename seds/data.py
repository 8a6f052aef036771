"""From manifest and shards to batches: what the model is fed.

A training item is a sentence; each epoch one of its videos is drawn. Hand crops, joint coordinates and pose windows are
computed here from the raw keypoints, so an experiment on them never repeats an extraction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from seds import tables, text, windows
from seds.config import Dataset, ModelSizes, Windows
from seds.model import Batch, Numerics
from seds.pose import hands
from seds.retrieval import sentence_columns
from seds.shards import ShardReader


class DataError(ValueError):
    """A split that cannot be used; the message says which, why and what to run."""


@dataclass(frozen=True)
class Video:
    """One video, ready for the model.

    left, right: float32 [F,21,2]; body: float32 [F,7,2], px of a 256 px frame (SPEC 4); F retained frames.
    raw_frames: int32 [F], the number of each retained frame in the video. starts: int64 [n], first retained frame of
    each pose window, which so covers the raw frames raw_frames[start] .. raw_frames[min(start + window, F) - 1].
    rgb: float16 [n, features], the RGB window nearest to each pose window.
    """

    video_id: str
    sentence_id: str
    text: str
    left: np.ndarray
    right: np.ndarray
    body: np.ndarray
    raw_frames: np.ndarray
    starts: np.ndarray
    rgb: np.ndarray


class Split:
    """The usable videos of one split, held in memory, with their sentences in order of first appearance.

    Pose coordinates take about 0.4 kB a frame, RGB features 2 kB a window: How2Sign's training split fits in 10 GB.
    """

    def __init__(self, videos: Sequence[Video], sizes: ModelSizes, numerics: Numerics = "default") -> None:
        self.videos, self.sizes, self.numerics = list(videos), sizes, numerics
        self.video_ids = [video.video_id for video in videos]
        # Padding takes part in the published numerics, which therefore always pad to the full sizes.
        full = numerics == "published"
        self._least = (sizes.max_windows, sizes.max_words) if full else (1, 1)
        self.sentence_ids, self.sentence_of = sentence_columns([video.sentence_id for video in videos])
        self.videos_of = [np.flatnonzero(self.sentence_of == i) for i in range(len(self.sentence_ids))]
        self.texts = [videos[own[0]].text for own in self.videos_of]  # a sentence's first text, as published
        self.ids = text.tokenise(self.texts, sizes.max_words)  # int64 [sentences, max_words]

    def training_batches(
        self, size: int, swap: float, generator: np.random.Generator, start: int = 0
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """One epoch in random order: a random video of each sentence, and with probability `swap` two words exchanged.

        Yields (indices, batch): indices, int64 [B], are the batch's videos in `videos` and `video_ids`. A last batch of
        one sentence is left out, as it has nothing to contrast with. The first `start` batches are not made, but drawn,
        so that the rest are those of a whole epoch and the generator ends where that would leave it.

        The generator is used when the first batch is asked for, for all of the epoch, and not again.
        """
        for indices, texts in self._drawn(size, swap, generator)[start:]:
            swapped = text.tokenise(texts, self.sizes.max_words)
            chosen = self.sentence_of[indices]
            yield indices, collate([self.videos[i] for i in indices], self.ids[chosen], swapped, *self._least)

    def _drawn(self, size: int, swap: float, generator: np.random.Generator) -> list[tuple[np.ndarray, list[str]]]:
        """What chance decides of an epoch: the videos and the swapped texts of each batch."""
        order = generator.permutation(len(self.sentence_ids))
        drawn = []
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            if len(chosen) < 2:
                break
            videos = np.array([generator.choice(self.videos_of[s]) for s in chosen])
            drawn.append((videos, [text.swap_words(self.texts[s], swap, generator) for s in chosen]))
        return drawn

    def steps(self, size: int) -> int:
        """Batches an epoch."""
        full, rest = divmod(len(self.sentence_ids), size)
        return full + (rest >= 2)

    def video_batches(self, size: int) -> Iterator[Batch]:
        """Every video once, in order; the texts are those of their sentences."""
        for at in range(0, len(self.videos), size):
            ids = self.ids[self.sentence_of[at : at + size]]
            yield collate(self.videos[at : at + size], ids, ids, *self._least)

    def subset(self, sentences: int) -> Split:
        """The first `sentences` sentences with all their videos."""
        kept = [video for video, s in zip(self.videos, self.sentence_of, strict=True) if s < sentences]
        return Split(kept, self.sizes, self.numerics)


def load_split(
    name: str,
    split: str,
    dataset: Dataset,
    rules: Windows,
    sizes: ModelSizes,
    numerics: Numerics,
    root: Path = Path("data"),
) -> Split:
    """Read a split of a corpus: `root`/manifest, /pose and /rgb. Raises DataError when no video of it is usable, or
    the model is made for other windows or for RGB features of another width.
    """
    for knob in ("window", "max_windows"):
        ours, theirs = getattr(rules, knob), getattr(sizes, knob)
        if ours != theirs:
            raise DataError(
                f"manifest.{knob} is {ours}, but the model of {name} is made for {theirs}; set {knob} alike in "
                "params.yaml under manifest: and under model: of the profile in train:"
            )
    manifest = tables.read(root / "manifest" / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    rows = manifest[manifest["split"] == split]
    usable = rows[rows["usable"]]
    if usable.empty:
        why = rows["reason"].value_counts().to_dict() if len(rows) else "the manifest lists none"
        raise DataError(f"{name}: no usable video in split {split!r} ({why}); see data/manifest/{name}.parquet")
    pose, rgb = ShardReader(root / "pose" / name, "pose"), ShardReader(root / "rgb" / name, "rgb")
    videos = [load_video(row, pose, rgb, dataset, rules) for row in usable.itertuples()]
    for video in videos:
        if sizes.streams != "pose" and video.rgb.shape[1] != sizes.rgb_features:
            raise DataError(
                f"{name}: {video.video_id!r} has {video.rgb.shape[1]} RGB features a window, the model reads "
                f"{sizes.rgb_features}; set model.rgb_features of the profile that {name} trains with (params.yaml)"
            )
    return Split(videos, sizes, numerics)


def load_video(row: Any, pose: ShardReader, rgb: ShardReader, dataset: Dataset, rules: Windows) -> Video:
    """The tensors of one manifest row. Raises ShardError when a shard lacks the video."""
    (keypoints,) = pose.read(row.video_id, ("keypoints",))
    margin = None if dataset.wrist_margin is None else dataset.wrist_margin * row.height
    kept = hands.retain(keypoints, row.width, row.height, rules, margin)
    starts = windows.pose_windows(len(kept.frames), rules.window, rules.max_windows)
    features, rgb_starts = rgb.read(row.video_id, ("features", "starts"))
    centres = windows.pose_centres(kept.frames, starts, rules.window)
    nearest = windows.nearest_rgb(centres, rgb_starts, int(rgb.metadata["window"]))
    return Video(
        row.video_id, row.sentence_id, row.text, kept.left, kept.right, kept.body, kept.frames.astype(np.int32), starts,
        features[nearest],
    )  # fmt: skip


def collate(
    videos: Sequence[Video], ids: np.ndarray, ids_swapped: np.ndarray, least_windows: int = 1, least_words: int = 1
) -> Batch:
    """Pad with zeros to the batch's longest video, and cut the words after its longest text.

    ids, ids_swapped: int64 [B, max_words]. At least `least_windows` windows and `least_words` words are left.
    """
    frames = [len(video.left) for video in videos]
    slots = max(least_windows, *(len(video.starts) for video in videos))
    starts = np.full((len(videos), slots), -1, np.int64)
    for i, video in enumerate(videos):
        starts[i, : len(video.starts)] = video.starts
    # The end token has the largest id, and words end with it.
    words = max(least_words, *(int(texts.argmax(axis=1).max()) + 1 for texts in (ids, ids_swapped)))
    return Batch(
        left=_padded([video.left for video in videos], max(frames)),
        right=_padded([video.right for video in videos], max(frames)),
        body=_padded([video.body for video in videos], max(frames)),
        frames=torch.tensor(frames),
        window_starts=torch.from_numpy(starts),
        rgb=_padded([video.rgb for video in videos], slots),
        ids=torch.from_numpy(ids[:, :words]),
        ids_swapped=torch.from_numpy(ids_swapped[:, :words]),
    )


def _padded(arrays: Sequence[np.ndarray], length: int) -> torch.Tensor:
    padded = np.zeros((len(arrays), length, *arrays[0].shape[1:]), np.float32)
    for row, array in zip(padded, arrays, strict=True):
        row[: len(array)] = array
    return torch.from_numpy(padded)
