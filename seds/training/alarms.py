"""What goes wrong while training, said in plain words: each kind once on the terminal, and all of it in the model card.

Only a loss or gradient that is no number ends the run, with the videos of its batch written down. The rest is told and
counted: it may be what somebody wants to see.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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

EXPLODED = 10.0  # times the running median of the gradient norm
RUNNING, SETTLED = 100, 20  # steps that the median is of; and fewer than so many say nothing
COLLAPSED = 1e-4  # cosines that differ by less are one
SURE = 3.0  # per cent; a larger standard error of R@1 leaves the choice of an epoch to luck
DUPLICATES = {  # train.losses.duplicates
    "ignore": "they are not taken for wrong ones",
    "negative": "they are taken for wrong ones, as published (train.losses.duplicates: ignore would not)",
}
_NAMED = 5  # videos in a message; the file has all


class TrainingError(SedsError, RuntimeError):
    """Training that cannot start or go on; the message says why and what to change."""


class Alarms:
    """Watches one run. `found` is the run's memory of them, by kind, and part of its state."""

    def __init__(
        self, train: Split, dev: Split, losses: Losses, found: dict[str, Any], tell: Callable[[str], None]
    ) -> None:
        self.found, self._train, self._losses, self._tell = found, train, losses, tell
        # Sentences are the same when the model reads the same of them.
        _, self._text_of = np.unique(train.ids, axis=0, return_inverse=True)
        error = standard_error(50.0, len(dev.sentence_ids))
        if error > SURE and "small_dev" not in found:
            self._raise(
                "small_dev",
                f"dev has {len(dev.sentence_ids)} sentences, so that R@1 has a standard error of up to {error:.1f} "
                "points: which epoch is kept is partly luck, and epochs closer than that are equally good",
            )

    def batch(self, indices: np.ndarray, epoch: int) -> None:
        """A batch with one text several times. indices: int64 [B], its videos."""
        texts = self._text_of[self._train.sentence_of[indices]]
        distinct, counts = np.unique(texts, return_counts=True)
        if len(distinct) == len(texts):
            return
        sentence = self._train.texts[int(np.flatnonzero(self._text_of == distinct[counts.argmax()])[0])]
        self._raise(
            "duplicates",
            f"a batch of epoch {epoch} holds one sentence {counts.max()} times ({sentence!r}), whose videos are right "
            f"answers to each other; {DUPLICATES[self._losses.duplicates]}",
        )
        own = self.found["duplicates"]
        own["sentences"] = own.get("sentences", 0) + len(texts) - len(distinct)

    def gradient(self, norm: float, before: Sequence[float], epoch: int) -> None:
        """A gradient norm, before clipping, far above those `before` it in the run."""
        usual = median(before[-RUNNING:]) if len(before) >= SETTLED else math.inf
        if norm > EXPLODED * usual:
            self._raise(
                "exploding_gradient",
                f"in epoch {epoch} the gradient norm was {norm:.3g}, the median of the {len(before[-RUNNING:])} steps "
                f"before it {usual:.3g}; it is clipped, but if it recurs, try a lower learning rate",
            )

    def similarities(self, matrices: Mapping[str, np.ndarray], scale: float, epoch: int) -> None:
        """Matrices [videos, sentences] by stream, cosines times `scale`, that tell nothing apart."""
        for stream, matrix in matrices.items():
            for axis, alike in enumerate(("videos", "sentences")):
                if matrix.shape[axis] > 1 and np.ptp(matrix, axis=axis).max() < COLLAPSED * scale:
                    others = "sentences" if alike == "videos" else "videos"
                    self._raise(
                        f"collapsed_{stream}",
                        f"after epoch {epoch} the stream {stream} has collapsed: all {alike} of dev are equally "
                        f"similar to each of the {others}",
                    )
                    break

    def texts(self) -> list[str]:
        """Of each kind that occurred what was told, and how often it was so."""
        return [own["text"] + (f" ({own['times']} times)" if own["times"] > 1 else "") for own in self.found.values()]

    def counts(self) -> dict[str, int]:
        """How often each kind occurred, for the metrics; of duplicates, batches and sentences."""
        kinds = {"duplicates": "batches_with_duplicates", "exploding_gradient": "exploding_gradients"}
        counts = {name: self.found.get(kind, {}).get("times", 0) for kind, name in kinds.items()}
        counts["duplicate_sentences"] = self.found.get("duplicates", {}).get("sentences", 0)
        counts["collapsed"] = sum(own["times"] for kind, own in self.found.items() if kind.startswith("collapsed"))
        return counts

    def _raise(self, kind: str, text: str) -> None:
        own = self.found.setdefault(kind, {"times": 0, "text": text})
        own["times"] += 1
        if own["times"] == 1:
            self._tell(f"warning: {text}")


def not_finite(
    model: nn.Module,
    split: Split,
    indices: np.ndarray,
    losses: Mapping[str, float],
    norm: float,
    where: Mapping[str, Any],
    folder: Path | None,
) -> TrainingError:
    """The error of a batch whose loss or gradient norm is no number, after writing all that is known of it.

    indices: the batch's videos in split.videos; where: epoch, step and the like; folder: of the file, None = no file.
    To be called before gradients are clipped, so that those that are no numbers can be named.
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
        "loss": {name: repr(value) for name, value in losses.items()},  # JSON has no nan
        "gradient_norm": repr(norm),
        "inputs_not_finite": inputs,
        "weights_not_finite": weights,
        "gradients_not_finite": gradients,
        "videos": [{"video_id": v.video_id, "sentence_id": v.sentence_id, "text": v.text} for v in videos],
    }
    what = f"the loss became {losses['total']}" if not math.isfinite(losses["total"]) else f"the gradient became {norm}"
    named = ", ".join(video.video_id for video in videos[:_NAMED]) + (", ..." if len(videos) > _NAMED else "")
    text = f"{what} in epoch {where['epoch']}, step {where['step']}, with the videos {named}"
    if folder is not None and distributed.rank() == 0:
        path = folder / "not_finite.json"
        write_json(path, record)
        text += f"; all of them, and which parts are no numbers, are in {path}"
    if inputs:
        ids = sorted({video_id for own in inputs.values() for video_id in own})
        return TrainingError(
            f"{text}. The inputs of {', '.join(ids[:_NAMED])} are no numbers themselves ({', '.join(inputs)}): extract "
            "them again, or leave them out"
        )
    return TrainingError(f"{text}. Try a lower learning rate: dvc exp run -S lr=1e-4")
