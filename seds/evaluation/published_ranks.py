"""Ranks and metrics by the published system's own rules, to compare with its numbers (SPEC 10 says why ours differ)."""

from __future__ import annotations

import numpy as np

CUTOFFS = (1, 5, 10)


def groups(scores: np.ndarray, sentence_of: np.ndarray) -> np.ndarray:
    """T2V's matrix as released, [texts, sentences]: the best video of a sentence; NaN counts as minus infinity.

    scores: [videos, sentences]; sentence_of: int [videos].
    """
    known = np.where(np.isnan(scores), -np.inf, scores)
    return np.stack([known[sentence_of == s].max(axis=0, initial=-np.inf) for s in range(scores.shape[1])], axis=1)


def t2v_ranks(grouped: np.ndarray) -> np.ndarray:
    """0-based ranks as released: every position whose score equals the right one's, so a tie gives several a query.

    A query whose right score is infinite has none: equal is what differs by 0, and infinity minus infinity does not.
    """
    right = np.diag(grouped)
    ordered = -np.sort(-grouped[np.isfinite(right)], axis=1)
    return np.nonzero(ordered == right[np.isfinite(right), None])[1]


def v2t_ranks(scores: np.ndarray, sentence_of: np.ndarray) -> np.ndarray:
    """0-based ranks as released, where nothing ties; NaN is ranked first.

    A query whose right score is NaN or infinite has none: the release cannot tell it from the minus infinities that
    it pads each sentence's videos with. Its order among ties is that of an unstable sort; here the sentence that comes
    first in the set is first.
    """
    ranked = np.isfinite(np.take_along_axis(scores, sentence_of[:, None], axis=1))[:, 0]
    order = np.argsort(-np.where(np.isnan(scores[ranked]), np.inf, scores[ranked]), axis=1, kind="stable")
    return np.nonzero(order == sentence_of[ranked, None])[1]


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
