"""Signs found by a classifier of signs: what CiCo learns from where people annotated none.

The classifier that comes with the weights (of BSL-1K: 5,383 words of British Sign Language) looks at a window of T
frames at every frame. A window whose likeliest class has a probability above a threshold is taken for that sign. This
is an extraction like that of features: by many processes, resumable, failures listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from seds.adapt.signs import Sign, first_shown
from seds.config import RgbProfile, Spotting
from seds.extraction.extractor import Extraction, ExtractorSpec, Video, read_video
from seds.rgb.extractor import RgbExtractor, limit_threads, recognizer_with, settings
from seds.rgb.weights import read_classifier
from seds.shards import ShardReader
from seds.weightfiles import Checkpoint

KIND: Literal["adapt"] = "adapt"  # so that the engine names the stage in what it says
HELD_OUT = 10  # every so many videos, one is kept from training, to see how well its signs are told apart


def spotter_spec(
    profile: RgbProfile, window: int, spotting: Spotting, checkpoint: Checkpoint, device: str
) -> ExtractorSpec:
    """The extractor of spotted signs. profile: of the features, whose stride does not matter: a window begins at each
    frame.
    """
    profile = profile.on(device).model_copy(update={"stride": 1, "alpha": 1.0})
    described = settings(profile, window, checkpoint) | {
        "threshold": f"{spotting.threshold:g}",
        "gap": str(spotting.gap),
    }
    make = partial(make_spotter, profile, window, spotting, checkpoint)
    return ExtractorSpec(KIND, described, make, device)


def make_spotter(profile: RgbProfile, window: int, spotting: Spotting, checkpoint: Checkpoint, device: str) -> Spotter:
    """The extractor in the process that uses it, limited to one thread. Raises WeightFileError."""
    limit_threads()
    return Spotter(profile, window, spotting, checkpoint, device)


class Spotter(RgbExtractor):
    """Video -> Extraction with a row a spotted sign, in the order of time: "starts" int32 [n], its window's first raw
    frame; "labels" int32 [n], its class; "scores" float32 [n], its probability.
    """

    def __init__(
        self, profile: RgbProfile, window: int, spotting: Spotting, checkpoint: Checkpoint, device: str
    ) -> None:
        self.spotting = spotting
        weight, bias = read_classifier(checkpoint.path)
        self.weight, self.bias = weight.to(device), bias.to(device)
        super().__init__([(1.0, recognizer_with(profile, checkpoint))], profile, window, device)

    def rows(self, pooled: Tensor) -> Tensor:
        """Features float32 [B,D] -> float32 [B,2]: the probability of the likeliest class, and its number."""
        scores = torch.nn.functional.linear(pooled, self.weight, self.bias)
        likeliest, label = scores.softmax(dim=1).max(dim=1)
        return torch.stack([likeliest, label.float()], dim=1)

    def __call__(self, video: Video) -> Extraction:
        """Raises as that of the features does."""
        found = super().__call__(video)
        scores, labels = found.tensors["features"].T
        starts = found.tensors["starts"]
        kept = spot(starts, labels.astype(np.int32), scores, self.spotting)
        tensors = {"starts": starts[kept], "labels": labels[kept].astype(np.int32), "scores": scores[kept]}
        return Extraction(tensors, frames=found.frames, rows=len(kept))


def spot(starts: np.ndarray, labels: np.ndarray, scores: np.ndarray, spotting: Spotting) -> np.ndarray:
    """Which windows of a video are signs, int64 [n], ascending. Arrays [V]: first frame, likeliest class, probability.

    Of each class the likeliest first; a further one counts as another sign of that class if it begins more than `gap`
    frames from all that were taken.
    """
    taken: dict[int, list[int]] = {}
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        others = taken.setdefault(int(labels[i]), [])
        if scores[i] > spotting.threshold and all(abs(int(starts[i]) - other) > spotting.gap for other in others):
            others.append(int(starts[i]))
            kept.append(int(i))
    return np.array(sorted(kept), np.int64)


def spotted_signs(videos: pd.DataFrame, spotted: ShardReader, window: int) -> Iterator[Sign]:
    """The spotted signs of the videos in their order, each as long as its window. videos: VIDEOS rows."""
    for row in videos.to_dict("records"):
        video = read_video(row)
        if video.video_id in spotted:
            starts, labels = spotted.read(video.video_id, ("starts", "labels"))
            for start, label in zip(starts.tolist(), labels.tolist(), strict=True):
                yield Sign(video, first_shown(row), float(start), float(start + window), label, ())


def hold_out(signs: Iterable[Sign]) -> tuple[list[Sign], list[Sign]]:
    """Signs to train on, and those of every tenth video, to measure by."""
    found = list(signs)
    place = {name: i for i, name in enumerate(dict.fromkeys(sign.video.video_id for sign in found))}
    measured = [place[sign.video.video_id] % HELD_OUT == HELD_OUT - 1 for sign in found]
    return (
        [sign for sign, out in zip(found, measured, strict=True) if not out],
        [sign for sign, out in zip(found, measured, strict=True) if out],
    )


def class_names(checkpoint: Checkpoint) -> tuple[str, ...]:
    """The labels of a classifier's classes: their numbers, "0000", "0001", ..., as CiCo's class lists have them."""
    weight, _ = read_classifier(checkpoint.path)
    return tuple(f"{number:04d}" for number in range(len(weight)))


def shard_folder(dataset: str) -> Path:
    """Where the spotted signs of a corpus are gathered."""
    return Path("work") / "adapt" / "spotted" / dataset
