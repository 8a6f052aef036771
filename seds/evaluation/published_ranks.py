"""Ranks and metrics by the published system's own rules, to compare with its numbers (SPEC 10 says why ours differ)."""

from __future__ import annotations

import numpy as np

CUTOFFS = (1, 5, 10)


def groups(scores: np.ndarray, sentence_of: np.ndarray) -> np.ndarray:
    """T2V's matrix as released, [texts, sentences]: the best video of a sentence; NaN counts as minus infinity.

    scores: [videos, sentences]; sentence_of: int [videos].
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    return np.stack([known[sentence_of == s].max(axis=0) for s in range(scores.shape[1])], axis=1)


def t2v_ranks(grouped: np.ndarray) -> np.ndarray:
    """0-based ranks as released: every position whose score equals the right one's, so a tie gives several a query."""
    ordered = -np.sort(-grouped, axis=1)
    return np.nonzero(ordered == np.diag(grouped)[:, None])[1]


def v2t_ranks(scores: np.ndarray, sentence_of: np.ndarray) -> np.ndarray:
    """0-based ranks as released, where nothing ties; NaN is ranked first.

    The release's order among ties is that of an unstable sort; here the sentence that comes first in the set is first.
    """
    order = np.argsort(-np.where(np.isnan(scores), np.inf, scores), axis=1, kind="stable")
    return np.nonzero(order == sentence_of[:, None])[1]


def metrics(scores: np.ndarray, sentence_of: np.ndarray) -> dict[str, dict[str, float]]:
    """{direction: R@1, R@5, R@10 in percent, MedR, MeanR}. V2T's median is the lower of two middle ranks."""
    scores = np.asarray(scores, np.float64)
    t2v, v2t = t2v_ranks(groups(scores, sentence_of)), v2t_ranks(scores, sentence_of)
    middle = {"t2v": float(np.median(t2v)), "v2t": float(np.sort(v2t)[(len(v2t) - 1) // 2])}
    return {
        direction: {
            **{f"R@{k}": 100.0 * float((ranks < k).mean()) for k in CUTOFFS},
            "MedR": middle[direction] + 1,
            "MeanR": float(ranks.mean()) + 1,
        }
        for direction, ranks in (("t2v", t2v), ("v2t", v2t))
    }
