"""Late fusion: a weighted mean of the scores of pose and RGB, the baseline that a learnt fusion has to beat."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from seds.retrieval import ranks

NAME = "late"  # beside the model's streams in the files of stage evaluate
WEIGHTS = tuple(step / 20 for step in range(21))  # of pose, from which one is chosen


def choose_weight(similarities: Mapping[str, np.ndarray], sentence_of: np.ndarray) -> float:
    """The weight of pose, of WEIGHTS, with the highest R@1 on a held-out split, averaged over both directions.

    Ties go to the lowest mean rank, then to the weight nearest to 1/2. Arguments as for ranks.evaluate; similarities
    has "pose" and "rgb".
    """

    def goodness(weight: float) -> tuple[float, float, float]:
        metrics, _ = ranks.evaluate({NAME: mix(similarities, weight)}, sentence_of)
        return ranks.mean_recall(metrics[NAME]), -ranks.mean_rank(metrics[NAME]), -abs(weight - 0.5)

    return max(WEIGHTS, key=goodness)


def mix(similarities: Mapping[str, np.ndarray], weight: float) -> np.ndarray:
    """weight x pose + (1 - weight) x RGB, [videos, sentences]; both have the scale of the model's logits."""
    return weight * similarities["pose"] + (1 - weight) * similarities["rgb"]
