"""Late fusion: a weighted mean of the scores of pose and RGB, the baseline that a learnt fusion has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seds.retrieval import stream_weight

NAME = "late"  # beside the model's streams in the files of stage evaluate


def choose_weight(similarities: Mapping[str, np.ndarray], sentence_of: np.ndarray) -> float:
    """The weight of pose that stream_weight.choose gives on a held-out split.

    similarities: [videos, sentences] of "pose" and "rgb"; sentence_of: as for ranks.evaluate.
    """
    return stream_weight.choose({w: mix(similarities, w) for w in stream_weight.WEIGHTS}, sentence_of)


def mix(similarities: Mapping[str, np.ndarray], weight: float) -> np.ndarray:
    """weight x pose + (1 - weight) x RGB, [videos, sentences]; both have the scale of the model's logits."""
    return weight * similarities["pose"] + (1 - weight) * similarities["rgb"]
