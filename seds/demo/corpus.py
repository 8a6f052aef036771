"""Writing the demo corpus: who signs what, rendered in parallel; the files depend only on the seed.

<folder>/videos/<video_id>.mp4     H.264, yuv420p
<folder>/annotations.parquet       one row per video, columns of COLUMNS
<folder>/signs.parquet             one row per sign of a video, columns of SIGN_COLUMNS
<folder>/joints.safetensors        {video_id: float32 [T,133,3]}: x px, y px, 1 where drawn (truth.truth)
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np
import pandas as pd
from safetensors.numpy import save

from seds.config import Render
from seds.demo import draw, motion
from seds.demo.language import Form, Sentence
from seds.demo.signer import Signer, make_signers
from seds.demo.splits import Contrast, draw_splits
from seds.demo.truth import truth
from seds.errors import SedsError
from seds.system.files import atomic_write, write_bytes

COLUMNS = ("video_id", "sentence_id", "split", "text", "signer", "path", "pair", "contrast")
SIGN_COLUMNS = ("video_id", *motion.TimedSign._fields)
_ENCODER = {"crf": "23", "preset": "superfast", "threads": "1", "x264-params": "threads=1:lookahead_threads=1"}
_NOISE_MARGIN = 64  # px: the noise is one field, placed differently in every frame


class DemoError(SedsError, ValueError):
    """Parameters of the demo corpus that do not fit together."""


@dataclass(frozen=True)
class Take:
    """One video to render."""

    video_id: str
    sentence_id: str
    split: str
    sentence: Sentence
    signer: Signer
    seed: tuple[int, ...]  # the same for the two of a minimal pair
    pair: str = ""
    contrast: Contrast | Literal[""] = ""

    @property
    def path(self) -> str:
        return f"videos/{self.video_id}.mp4"


def plan(render: Render) -> list[Take]:
    """Every video of the corpus. Raises DemoError or language.LanguageError if the counts cannot be met.

    Signers of train and dev are among the first `signers - test_signers`; the test sentences go round all of them, so
    that part of the test is signed by unseen signers. A minimal pair has one signer.
    """
    for name, shares in (
        ("questions + negations", (render.questions, render.negations)),
        ("pairs", render.pairs.values()),
    ):
        if sum(shares) > 1:
            raise DemoError(f"render: {name} are shares of the sentences and add up to {sum(shares):g}, more than 1")
    if render.size % 2:
        raise DemoError(f"render: size={render.size} px must be even for yuv420p")
    known = render.signers - render.test_signers
    if known < render.takes:
        raise DemoError(
            f"render: takes={render.takes} videos per sentence need as many signers in training, but signers="
            f"{render.signers} less test_signers={render.test_signers} leaves {known}"
        )
    signers_rng, sentences_rng, casting_rng = (
        np.random.default_rng(child) for child in np.random.SeedSequence(render.seed).spawn(3)
    )
    signers = make_signers(render.signers, signers_rng)
    counts = {"train": render.train_sentences, "dev": render.dev_sentences, "test": render.test_sentences}
    forms: dict[Form, float] = {"question": render.questions, "negation": render.negations}
    takes: list[Take] = []
    for split, groups in draw_splits(counts, sentences_rng, forms, render.pairs).items():
        sentences = 0
        for i, group in enumerate(groups):
            if split == "test":
                cast = [(render.signers - 1 - i) % render.signers]
            else:
                cast = sorted(casting_rng.choice(known, render.takes if split == "train" else 1, replace=False))
            seeds = [(render.seed, len(takes) + take) for take in range(len(cast))]
            pair = f"{split}-pair-{i:04d}" if group.contrast else ""
            for sentence in group.sentences:
                sentence_id = f"{split}-{sentences:04d}"
                sentences += 1
                for who, seed in zip(cast, seeds, strict=True):
                    video_id = f"{sentence_id}-{signers[who].name}"
                    takes.append(Take(video_id, sentence_id, split, sentence, signers[who], seed, pair, group.contrast))
    return takes


def write_corpus(render: Render, folder: Path, workers: int | None = None) -> pd.DataFrame:
    """Render the corpus into `folder`, in `workers` processes (None: one per core); returns the annotations.

    The annotations are written last, so a folder that has them is complete.
    """
    takes = plan(render)
    (folder / "annotations.parquet").unlink(missing_ok=True)
    shutil.rmtree(folder / "videos", ignore_errors=True)  # videos made with other parameters must not remain
    (folder / "videos").mkdir(parents=True)
    rows, signs, joints = [], [], {}
    with ProcessPoolExecutor(workers or os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        chunk = max(1, min(16, len(takes) // 8))
        jobs = pool.map(_render_take, takes, [render] * len(takes), [folder] * len(takes), chunksize=chunk)
        for take, (timed, points) in zip(takes, jobs, strict=True):
            joints[take.video_id] = points
            signs += [(take.video_id, *sign) for sign in timed]
            rows.append(
                (take.video_id, take.sentence_id, take.split, take.sentence.text, take.signer.name, take.path,
                 take.pair, take.contrast)
            )  # fmt: skip
    write_bytes(folder / "joints.safetensors", save(joints))
    _write_table(folder / "signs.parquet", pd.DataFrame(signs, columns=list(SIGN_COLUMNS)))
    annotations = pd.DataFrame(rows, columns=list(COLUMNS))
    _write_table(folder / "annotations.parquet", annotations)
    return annotations


def render_take(take: Take, fps: float, size: int) -> tuple[list[np.ndarray], np.ndarray, motion.Performance]:
    """(T frames uint8 [size,size,3] RGB, joints float32 [T,133,3], the performance)."""
    rng = np.random.default_rng(take.seed)
    performance = motion.perform(take.sentence.glosses, take.signer, fps, rng, take.sentence.form)
    wall = draw.background(take.signer, size)
    side = size + _NOISE_MARGIN
    noise = (rng.standard_normal((side, side, 3), np.float32) * take.signer.noise).round().astype(np.int16)
    frames, points = [], []
    for t in range(len(performance.face)):
        figure = motion.articulate(performance, t, take.signer, size)
        x, y = rng.integers(0, _NOISE_MARGIN, 2)
        image = draw.draw(figure, take.signer, wall)
        frames.append(cv2.add(image, noise[y : y + size, x : x + size], dtype=cv2.CV_8U))  # saturates
        points.append(truth(figure, take.signer, size))
    return frames, np.stack(points), performance


def write_video(path: Path, frames: list[np.ndarray], fps: float) -> None:
    """H.264 with its header in front. One thread, because more would encode differently on another machine."""
    rate = Fraction(fps).limit_denominator(1000)
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=rate, options=_ENCODER)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.codec_context.thread_count = 1
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())


def _write_table(path: Path, table: pd.DataFrame) -> None:
    with atomic_write(path) as temporary:
        table.to_parquet(temporary, index=False)


def _render_take(take: Take, render: Render, folder: Path) -> tuple[list[motion.TimedSign], np.ndarray]:
    cv2.setNumThreads(1)  # the processes share the cores
    frames, points, performance = render_take(take, render.fps, render.size)
    write_video(folder / take.path, frames, render.fps)
    return performance.signs, points
