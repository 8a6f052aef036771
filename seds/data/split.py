"""From manifest and shards to batches: what the model is fed.

A training item is a sentence; each epoch one of its videos is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from seds import tables, text
from seds.config import Manifest, ModelSizes, SampleRules
from seds.data.batches import Batch, Numerics, collate, count_words
from seds.data.mapped import MappedReader
from seds.data.sample_cache import Videos, open_videos
from seds.data.samples import Video
from seds.errors import SedsError


class DataError(SedsError, ValueError):
    """A split that cannot be used; the message says which, why and what to run."""


class Split:
    """The usable videos of one split, with their sentences in order of first appearance.

    videos: any sequence; that of seds.data.sample_cache holds none in memory.
    """

    def __init__(self, videos: Sequence[Video], sizes: ModelSizes, numerics: Numerics = "default") -> None:
        self.videos, self.sizes, self.numerics = videos, sizes, numerics
        # Padding takes part in the published numerics, which therefore always pad to the full sizes.
        full = numerics == "published"
        self._least = (sizes.max_windows, sizes.max_words) if full else (1, 1)
        facts = [(v.video_id, v.sentence_id, v.text, len(v.raw_frames), len(v.starts)) for v in videos]
        self.video_ids, sentences, texts = (list(column) for column in zip(*(fact[:3] for fact in facts), strict=True))
        self.frames, self.windows = np.array([fact[3:] for fact in facts]).T  # int64 [videos]
        self.sentence_ids, self.sentence_of = sentence_columns(sentences)
        order = np.argsort(self.sentence_of, kind="stable")
        self.videos_of = np.split(order, np.cumsum(np.bincount(self.sentence_of))[:-1])
        self.texts = [texts[own[0]] for own in self.videos_of]  # a sentence's first text, as published
        self.ids = text.tokenise(self.texts, sizes.max_words)  # int64 [sentences, max_words]

    def training_batches(
        self,
        size: int,
        swap: float,
        generator: np.random.Generator,
        start: int = 0,
        share: Callable[[int], slice] = slice,
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """One epoch in random order: a random video of each sentence, and with probability `swap` two words exchanged.

        Yields (indices, batch): indices, int64 [B], are the batch's videos in `videos` and `video_ids`. A last batch of
        one sentence is left out, as it has nothing to contrast with.

        start: the first so many batches are drawn, but not made: the rest are those of the whole epoch, and so is what
        is left in the generator. That is used when the first batch is asked for, for all of the epoch, and not again.
        share: which rows of a batch of that many are made (seds.model.distributed.local_rows); default: all. They are
        padded as in the whole batch, of which `indices` still tells all videos.
        """
        for indices, texts in self._drawn(size, swap, generator)[start:]:
            rows, ids = share(len(indices)), self.ids[self.sentence_of[indices]]
            swapped = text.tokenise(texts, self.sizes.max_words)
            least = (
                max(self._least[0], int(self.windows[indices].max())),
                max(self._least[1], count_words(ids), count_words(swapped)),
                int(self.frames[indices].max()),
            )
            yield indices, collate([self.videos[i] for i in indices[rows]], ids[rows], swapped[rows], *least)

    def _drawn(self, size: int, swap: float, generator: np.random.Generator) -> list[tuple[np.ndarray, list[str]]]:
        """What chance decides of an epoch: the videos and the texts, with words swapped, of each batch."""
        order = generator.permutation(len(self.sentence_ids))
        drawn = []
        for at in range(0, len(order), size):
            chosen = order[at : at + size]
            if len(chosen) < 2:
                break
            videos = [own[generator.integers(len(own))] for own in (self.videos_of[s] for s in chosen)]
            drawn.append((np.array(videos), [text.swap_words(self.texts[s], swap, generator) for s in chosen]))
        return drawn

    def steps(self, size: int) -> int:
        """Batches an epoch."""
        full, rest = divmod(len(self.sentence_ids), size)
        return full + (rest >= 2)

    def video_batches(self, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
        """Every video once, as `order` (int [videos]) says or as they come; the texts are those of their sentences."""
        order = np.arange(len(self.videos)) if order is None else order
        for at in range(0, len(order), size):
            some = order[at : at + size]
            ids = self.ids[self.sentence_of[some]]
            yield collate([self.videos[i] for i in some], ids, ids, *self._least)

    def subset(self, sentences: int) -> Split:
        """The first `sentences` sentences with all their videos."""
        kept = np.flatnonzero(self.sentence_of < sentences)
        return Split([self.videos[i] for i in kept], self.sizes, self.numerics)


def load_split(
    name: str,
    split: str,
    rules: SampleRules,
    sizes: ModelSizes,
    numerics: Numerics,
    root: Path = Path("data"),
    workers: int | None = None,
) -> Split:
    """Read a split of a corpus, as usable_rows and load_videos do. Raises what they do."""
    rows = usable_rows(name, [split], root)
    return Split(load_videos(name, rows, rules, sizes, root, workers), sizes, numerics)


def usable_rows(name: str, splits: Sequence[str], root: Path = Path("data")) -> pd.DataFrame:
    """The rows of a corpus's manifest, `root`/manifest, that can be used, split by split.

    Raises DataError when there is none, TableError.
    """
    manifest = tables.read(root / "manifest" / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    rows = pd.concat([manifest[manifest["split"] == split] for split in splits])
    usable = rows[rows["usable"]]
    if usable.empty:
        why = rows["reason"].value_counts().to_dict() if len(rows) else "the manifest lists none"
        raise DataError(
            f"{name}: no usable video in split {', '.join(map(repr, splits))} ({why}); "
            f"see {root}/manifest/{name}.parquet"
        )
    return usable


def load_videos(
    name: str,
    rows: pd.DataFrame,
    rules: SampleRules,
    sizes: ModelSizes,
    root: Path = Path("data"),
    workers: int | None = None,
) -> Videos:
    """The videos of usable rows of a corpus, in their order, from `root`/pose and /rgb.

    What is prepared of them stays in `work` beside `root`. workers: threads that prepare; None = one a core. Raises
    DataError when the model is made for other windows or for RGB features of another width; ShardError, StorageError.
    """
    check_windows(name, rules, sizes)
    pose, rgb = MappedReader(root / "pose" / name, "pose"), MappedReader(root / "rgb" / name, "rgb")
    videos = open_videos(rows, pose, rgb, rules, root.parent / "work" / "prepared", workers)
    others = np.flatnonzero(videos.widths != sizes.rgb_features)
    if sizes.streams != "pose" and len(others):
        row = int(others[0])
        raise DataError(
            f"{name}: {rows['video_id'].iloc[row]!r} has {videos.widths[row]} RGB features a window, the model reads "
            f"{sizes.rgb_features}; set model.rgb_features of the profile that {name} trains with (params.yaml)"
        )
    return videos


def check_windows(name: str, rules: Manifest, sizes: ModelSizes) -> None:
    """Raises DataError when the model is made for other windows than the corpus of that name is read with."""
    for knob in ("window", "max_windows"):
        ours, theirs = getattr(rules, knob), getattr(sizes, knob)
        if ours != theirs:
            raise DataError(
                f"manifest.{knob} is {ours}, but the model of {name} is made for {theirs}; set {knob} alike in "
                "params.yaml under manifest: and under model: of the profile in train:"
            )


def sentence_columns(sentence_ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The distinct sentences in order of first appearance, and each video's column among them (int64 [videos])."""
    column: dict[str, int] = {}
    columns = np.array([column.setdefault(s, len(column)) for s in sentence_ids], dtype=np.int64)
    return list(column), columns
