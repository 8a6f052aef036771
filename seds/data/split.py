"""From manifest and shards to batches, the model's input.

A training item is a sentence; in each epoch one of its videos is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from seds import tables, text
from seds.config import Manifest, ModelSizes, SampleRules
from seds.data import augmentation, tokens
from seds.data.augmentation import Changes, Phrase
from seds.data.batches import Batch, Numerics, collate, count_words
from seds.data.mapped import MappedReader
from seds.data.sample_cache import Videos, open_videos
from seds.data.samples import Video
from seds.errors import SedsError


class DataError(SedsError, ValueError):
    """A split that cannot be used; the message says which, why, and what to run."""


@dataclass(frozen=True)
class _Draw:
    """The random part of a training batch of B rows.

    videos: int64 [B]; texts, swapped: of the rows, the latter with words swapped; phrases: of the rows whose video is
    one; seed: of what happens to their videos.
    """

    videos: np.ndarray
    texts: list[str]
    swapped: list[str]
    phrases: Mapping[int, Phrase]
    seed: int


class Split:
    """The usable videos of one split, with their sentences in order of first appearance.

    videos: any sequence; sample_cache.Videos holds none of them in memory.
    """

    def __init__(self, videos: Sequence[Video], sizes: ModelSizes, numerics: Numerics = "default") -> None:
        self.videos, self.sizes, self.numerics = videos, sizes, numerics
        # Padding influences the published numerics, which therefore always pad to the full sizes.
        self._least = (sizes.max_windows, sizes.max_words) if numerics == "published" else (1, 1)
        columns = [(v.video_id, v.sentence_id, v.text, len(v.raw_frames), len(v.starts)) for v in videos]
        self.video_ids, sentence_ids, texts, frames, windows = map(list, zip(*columns, strict=True))
        self.frames, self.windows = np.array(frames), np.array(windows)  # int64 [videos]
        self.sentence_ids, self.sentence_of = sentence_columns(sentence_ids)
        order = np.argsort(self.sentence_of, kind="stable")
        self.videos_of = np.split(order, np.cumsum(np.bincount(self.sentence_of))[:-1])
        self.texts = [texts[videos[0]] for videos in self.videos_of]  # a sentence's first text, as published
        self.ids = self.tokenise(self.texts)

    def training_batches(
        self,
        size: int,
        swap: float,
        generator: np.random.Generator,
        start: int = 0,
        local_rows: Callable[[int], slice] = slice,
        changes: Changes | None = None,
    ) -> Iterator[tuple[np.ndarray, Batch]]:
        """One epoch in random order: a random video of each sentence, and with probability `swap` two words exchanged.

        Yields (indices, batch): indices, int64 [B], are the batch's videos in `videos` and `video_ids`. A last batch of
        one sentence is left out, as it has nothing to contrast with.

        generator: its numbers for the whole epoch are drawn when the first batch is requested. start: batches to skip;
        they are drawn but not made, so the others and the generator are as in the whole epoch. local_rows: gives the
        rows to make of a batch of that many (seds.model.distributed.local_rows); default: all. These are padded as in
        the whole batch, and `indices` still has all its videos. changes: what happens to the videos; None = nothing. A
        phrase is listed as one of its clips.
        """
        for draw in self._draw_epoch(size, swap, generator, changes)[start:]:
            count = len(draw.videos)
            rows = local_rows(count)
            ids = self.tokenise(draw.texts) if draw.phrases else self.ids[self.sentence_of[draw.videos]]
            swapped = self.tokenise(draw.swapped)
            frames, windows = self._longest(draw, changes)
            least = (max(self._least[0], windows), max(self._least[1], count_words(ids), count_words(swapped)), frames)
            videos = [self._made(draw, row, changes) for row in range(count)[rows]]
            yield draw.videos, collate(videos, ids[rows], swapped[rows], *least)

    def _draw_epoch(
        self, size: int, swap: float, generator: np.random.Generator, changes: Changes | None
    ) -> list[_Draw]:
        order = generator.permutation(len(self.sentence_ids))
        share, clips = (changes.settings.phrases, changes.clips) if changes is not None else (0.0, np.empty(0))
        batches = []
        for start in range(0, len(order), size):
            sentences = order[start : start + size]
            if len(sentences) < 2:
                break
            candidates = [self.videos_of[sentence] for sentence in sentences]
            videos = np.array([each[generator.integers(len(each))] for each in candidates])
            texts, phrases = [self.texts[sentence] for sentence in sentences], {}
            for row in np.flatnonzero(np.isin(videos, clips)) if share and len(clips) > 1 else ():
                if generator.random() < share:
                    phrases[int(row)] = phrase = augmentation.draw_phrase(int(videos[row]), clips, generator)
                    texts[row] = augmentation.phrase_text([self.texts[self.sentence_of[clip]] for clip in phrase.clips])
            swapped = [text.swap_words(each, swap, generator) for each in texts]
            seed = 0 if changes is None else int(generator.integers(1 << 62))
            batches.append(_Draw(videos, texts, swapped, phrases, seed))
        return batches

    def _longest(self, draw: _Draw, changes: Changes | None) -> tuple[int, int]:
        """Frames and windows that no video of a batch has more of; without changes one has as many."""
        if changes is None:
            return int(self.frames[draw.videos].max()), int(self.windows[draw.videos].max())
        clips = [list(draw.phrases[row].clips if row in draw.phrases else (v,)) for row, v in enumerate(draw.videos)]
        frames = max(sum(augmentation.longest(n, changes.settings) for n in self.frames[each]) for each in clips)
        return frames, min(frames, self.sizes.max_windows)

    def _made(self, draw: _Draw, row: int, changes: Changes | None) -> Video:
        """The video of a row of a batch."""
        if changes is None:
            return self.videos[draw.videos[row]]
        generator = np.random.default_rng((draw.seed, row))
        window, most = self.sizes.window, self.sizes.max_windows
        phrase = draw.phrases.get(row)
        clips = [self.videos[i] for i in (phrase.clips if phrase is not None else (draw.videos[row],))]
        clips = [augmentation.augmented(clip, changes.settings, window, most, generator) for clip in clips]
        return clips[0] if phrase is None else augmentation.joined(clips, phrase.shares, window, most)

    def tokenise(self, texts: Sequence[str]) -> np.ndarray:
        """As the model reads them; int64 [len(texts), max_words]."""
        return tokens.tokenise(texts, self.sizes)

    def steps(self, size: int) -> int:
        """Batches per epoch."""
        full, rest = divmod(len(self.sentence_ids), size)
        return full + (rest >= 2)

    def video_batches(self, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
        """Every video once, with the text of its sentence. order: int [videos]; None = as they are."""
        order = np.arange(len(self.videos)) if order is None else order
        for start in range(0, len(order), size):
            indices = order[start : start + size]
            ids = self.ids[self.sentence_of[indices]]
            yield collate([self.videos[i] for i in indices], ids, ids, *self._least)

    def subset(self, sentences: int) -> Split:
        """The first `sentences` sentences with all their videos."""
        indices = np.flatnonzero(self.sentence_of < sentences)
        return Split([self.videos[i] for i in indices], self.sizes, self.numerics)


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
    """The usable rows of a corpus's manifest in `root`/manifest, split by split. Raises DataError when there is none,
    TableError.
    """
    manifest = tables.read(root / "manifest" / f"{name}.parquet", tables.MANIFEST, f"dvc repro manifest@{name}")
    rows = pd.concat([manifest[manifest["split"] == split] for split in splits])
    usable = rows[rows["usable"]]
    if usable.empty:
        why = rows["reason"].value_counts().to_dict() if len(rows) else "the manifest lists none"
        raise DataError(
            f"{name}: no usable video in split {', '.join(map(repr, splits))} ({why}); "
            f"{root}/manifest/{name}.parquet has the reasons, and seds check {name} looks for their causes"
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
    """The videos of usable rows of a corpus, in their order, from `root`/pose and `root`/rgb.

    Their hand crops and windows are cached in `work` beside `root`. workers: threads that compute these; None = one a
    core. Raises DataError when the model is made for other windows or for RGB features of another width; ShardError,
    StorageError.
    """
    check_windows(name, rules, sizes)
    pose, rgb = MappedReader(root / "pose" / name, "pose"), MappedReader(root / "rgb" / name, "rgb")
    videos = open_videos(rows, pose, rgb, rules, root.parent / "work" / "prepared", workers)
    other_widths = np.flatnonzero(videos.widths != sizes.rgb_features)
    if sizes.streams != "pose" and len(other_widths):
        row = int(other_widths[0])
        raise DataError(
            f"{name}: {rows['video_id'].iloc[row]!r} has {videos.widths[row]} RGB features a window, the model reads "
            f"{sizes.rgb_features}; set model.rgb_features of the profile that {name} trains with (params.yaml)"
        )
    return videos


def check_windows(name: str, rules: Manifest, sizes: ModelSizes) -> None:
    """Raises DataError when the model is made for other windows than the corpus `name` is read with."""
    for parameter in ("window", "max_windows"):
        read, expected = getattr(rules, parameter), getattr(sizes, parameter)
        if read != expected:
            raise DataError(
                f"manifest.{parameter} is {read}, but the model of {name} is made for {expected}; set {parameter} "
                "alike in params.yaml under manifest: and under model: of the profile in train:"
            )


def sentence_columns(sentence_ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """The distinct sentences in order of first appearance, and each video's column among them (int64 [videos])."""
    column: dict[str, int] = {}
    columns = np.array([column.setdefault(s, len(column)) for s in sentence_ids], dtype=np.int64)
    return list(column), columns
