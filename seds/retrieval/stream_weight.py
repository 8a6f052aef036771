"""How much pose counts against RGB, chosen on held-out sentences.

Training cannot tell: there both streams soon rank every sentence first, also one that is noise elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch.nn import functional as F

from seds.retrieval import ranks

WEIGHTS = tuple(step / 10 for step in range(11))  # of pose, from which one is chosen; that of RGB is 1 minus it


def choose(matrices: Mapping[float, np.ndarray], sentence_of: np.ndarray) -> float:
    """The weight with the lowest cross-entropy; of equals the one nearest to 1/2.

    Not that with the highest R@1: on a small split many weights come within a query or two of each other, whichever
    way they err elsewhere. matrices: similarities [videos, sentences] by weight, with the scale of the model's logits;
    sentence_of: as for ranks.evaluate.
    """
    return min(matrices, key=lambda weight: (cross_entropy(matrices[weight], sentence_of), abs(weight - 0.5)))


def cross_entropy(similarity: np.ndarray, sentence_of: np.ndarray) -> float:
    """The contrastive loss of a whole split: mean of -log softmax at the right candidate, averaged over T2V and V2T."""
    both = ranks.rank_both(similarity, sentence_of).values()
    losses = [F.cross_entropy(torch.from_numpy(one.scores), torch.from_numpy(one.right)) for one in both]
    return float(torch.stack(losses).mean())
