"""Warnings about a training run in plain words: each kind once on the terminal, and all of them in the model card.

Only a NaN or infinite loss or gradient ends the run, and the videos of its batch are written to a file. Everything else
is reported and counted: it may be intended.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn

from seds.config import Losses
from seds.data.split import Split
from seds.errors import SedsError
from seds.model import distributed
from seds.retrieval.metrics import standard_error
from seds.system.files import write_json

log = logging.getLogger(__name__)

EXPLODED = 10.0  # times the running median of the gradient norm
MEDIAN_STEPS, LEAST_STEPS = 100, 20  # that the median covers, and that it needs
COLLAPSED = 1e-4  # cosines that differ by less count as equal
RELIABLE = 3.0  # percentage points; a larger standard error of R@1 leaves the choice of an epoch to luck
DUPLICATES = {  # train.losses.duplicates
    "ignore": "they are not used as negatives",
    "negative": "they are used as negatives, as published (train.losses.duplicates: ignore avoids that)",
}
_LISTED = 5  # videos in a message; the file lists all


class TrainingError(SedsError, RuntimeError):
    """Training cannot start or continue; the message says why and what to change."""


class Alarms:
    """Watches one run. warnings: recorded so far, by kind; part of the run's state, so that resuming repeats none."""

    def __init__(self, train: Split, dev: Split, losses: Losses, warnings: dict[str, Any]) -> None:
        self.warnings, self._train, self._losses = warnings, train, losses
        # Sentences are equal when the model reads the same tokens.
        _, self._text_of = np.unique(train.ids, axis=0, return_inverse=True)
        error = standard_error(50.0, len(dev.sentence_ids))
        if error > RELIABLE and "small_dev" not in warnings:
            self._warn(
                "small_dev",
                f"dev has {len(dev.sentence_ids)} sentences, so R@1 has a standard error of up to {error:.1f} points: "
                "which epoch is kept is partly luck, and epochs that differ by less are equally good",
            )

    def check_batch(self, indices: np.ndarray, epoch: int) -> None:
        """Warn of a batch that contains a text several times. indices: int64 [B], its videos."""
        texts = self._text_of[self._train.sentence_of[indices]]
        distinct, counts = np.unique(texts, return_counts=True)
        if len(distinct) == len(texts):
            return
        sentence = self._train.texts[int(np.flatnonzero(self._text_of == distinct[counts.argmax()])[0])]
        self._warn(
            "duplicates",
            f"a batch of epoch {epoch} contains one sentence {counts.max()} times ({sentence!r}), whose videos are "
            f"correct matches of each other; {DUPLICATES[self._losses.duplicates]}",
        )
        warning = self.warnings["duplicates"]
        warning["sentences"] = warning.get("sentences", 0) + len(texts) - len(distinct)

    def check_gradient(self, norm: float, before: Sequence[float], epoch: int) -> None:
        """Warn of a gradient norm, before clipping, far above those of the steps `before`."""
        usual = median(before[-MEDIAN_STEPS:]) if len(before) >= LEAST_STEPS else math.inf
        if norm > EXPLODED * usual:
            steps = len(before[-MEDIAN_STEPS:])
            self._warn(
                "exploding_gradient",
                f"in epoch {epoch} the gradient norm was {norm:.3g}; the median of the {steps} steps before was "
                f"{usual:.3g}. It is clipped, but if this recurs, try a lower learning rate",
            )

    def check_similarities(self, matrices: Mapping[str, np.ndarray], scale: float, epoch: int) -> None:
        """Warn of a stream whose similarities distinguish nothing. matrices: [videos, sentences] by stream, cosines
        times `scale`.
        """
        for stream, matrix in matrices.items():
            for axis, alike in enumerate(("videos", "sentences")):
                if matrix.shape[axis] > 1 and np.ptp(matrix, axis=axis).max() < COLLAPSED * scale:
                    others = "sentences" if alike == "videos" else "videos"
                    self._warn(
                        f"collapsed_{stream}",
                        f"after epoch {epoch} the stream {stream} has collapsed: all {alike} of dev are equally "
                        f"similar to each of the {others}",
                    )
                    break

    def texts(self) -> list[str]:
        """The warning of each kind that occurred, with how often it did."""
        return [
            warning["text"] + (f" ({warning['times']} times)" if warning["times"] > 1 else "")
            for warning in self.warnings.values()
        ]

    def counts(self) -> dict[str, int]:
        """How often each kind occurred, for the metrics; of duplicates, batches and sentences."""
        kinds = {"duplicates": "batches_with_duplicates", "exploding_gradient": "exploding_gradients"}
        counts = {name: self.warnings.get(kind, {}).get("times", 0) for kind, name in kinds.items()}
        counts["duplicate_sentences"] = self.warnings.get("duplicates", {}).get("sentences", 0)
        counts["collapsed"] = sum(
            warning["times"] for kind, warning in self.warnings.items() if kind.startswith("collapsed")
        )
        return counts

    def _warn(self, kind: str, text: str) -> None:
        warning = self.warnings.setdefault(kind, {"times": 0, "text": text})
        warning["times"] += 1
        if warning["times"] == 1:
            log.warning("warning: %s", text)


def not_finite(
    model: nn.Module,
    split: Split,
    indices: np.ndarray,
    losses: Mapping[str, float],
    norm: float,
    where: Mapping[str, Any],
    folder: Path | None,
) -> TrainingError:
    """The error for a batch with a NaN or infinite loss or gradient norm; writes all that is known to a file first.

    indices: the batch's videos in split.videos; where: epoch, step and the like; folder: of the file, None = no file.
    To be called before gradients are clipped, so that the tensors with NaN or infinity can be named.
    """
    videos = [split.videos[i] for i in indices]
    inputs = {
        name: [video.video_id for video in videos if not np.isfinite(getattr(video, name)).all()]
        for name in ("left", "right", "body", "features")
    }
    inputs = {name: ids for name, ids in inputs.items() if ids}
    gradients = [
        name for name, p in model.named_parameters() if p.grad is not None and not torch.isfinite(p.grad).all()
    ]
    weights = [name for name, tensor in model.state_dict().items() if not torch.isfinite(tensor).all()]
    record = {
        **where,
        "loss": {name: repr(value) for name, value in losses.items()},  # JSON has no NaN
        "gradient_norm": repr(norm),
        "inputs_not_finite": inputs,
        "weights_not_finite": weights,
        "gradients_not_finite": gradients,
        "videos": [{"video_id": v.video_id, "sentence_id": v.sentence_id, "text": v.text} for v in videos],
    }
    what = f"the loss became {losses['total']}" if not math.isfinite(losses["total"]) else f"the gradient became {norm}"
    listed = ", ".join(video.video_id for video in videos[:_LISTED]) + (", ..." if len(videos) > _LISTED else "")
    text = f"{what} in epoch {where['epoch']}, step {where['step']}, with the videos {listed}"
    if folder is not None and distributed.rank() == 0:
        path = folder / "not_finite.json"
        write_json(path, record)
        text += f"; {path} lists all of them and which tensors contain NaN or infinity"
    if inputs:
        bad = sorted({video_id for ids in inputs.values() for video_id in ids})
        return TrainingError(
            f"{text}. The inputs of {', '.join(bad[:_LISTED])} already contain NaN or infinity ({', '.join(inputs)}): "
            "extract them again, or exclude these videos"
        )
    return TrainingError(f"{text}. Try a lower learning rate: dvc exp run -S lr=1e-4")
