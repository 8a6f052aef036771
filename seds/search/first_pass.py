"""The best of many sequences for a query: all of them scored exactly, or those that a first pass leaves.

In the first pass each sequence is one vector, the mean of its tokens, and so is the query: their inner product is the
mean of all their cosines, while the exact score lets each token choose. What a gallery's videos have in common with a
sentence is mostly common to their windows too, so few candidates suffice; benchmarks/galleries.py measures how many.
"""

from __future__ import annotations

import threading

import faiss
import numpy as np
import torch
from torch import Tensor

from seds.index.store import Sequences
from seds.search.ranking import Query, scores


class Ranker:
    """The best of `stored` for any query, from several threads.

    share       as of ranking.scores
    exact       up to so many sequences all are scored
    candidates  of more, how many are (or as many as are asked for)
    """

    def __init__(self, stored: Sequences, share: float, exact: int, candidates: int) -> None:
        self.stored, self.share, self.exact, self.candidates = stored, share, exact, candidates
        self._pooled: faiss.Index | None = None
        self._lock = threading.Lock()

    def best(self, query: Query, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (int64) and scores (float32, in cosines) of the k best, best first; of equal ones the earlier."""
        rows = None
        if len(self.stored) > self.exact:
            rows = self.first_pass(query, max(k, self.candidates))
        values = scores(query, self.stored, self.share, None if rows is None else torch.from_numpy(rows))
        order = np.argsort(-values, kind="stable")[:k]
        return order if rows is None else rows[order], values[order]

    def first_pass(self, query: Query, count: int) -> np.ndarray:
        """Numbers of the `count` sequences with the nearest pooled vectors, int64, ascending."""
        with self._lock:  # the first search waits for it to be made
            if self._pooled is None:
                self._pooled = _inner_products(self.stored.pooled)
        _, found = self._pooled.search(query.pooled().cpu().numpy()[None], count)
        return np.sort(found[0][found[0] >= 0])


def _inner_products(pooled: Tensor) -> faiss.Index:
    """float32 [n,D] -> an index that holds them as float16: a search reads them all, and reading takes the time."""
    index = faiss.IndexScalarQuantizer(pooled.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.train(pooled[:1].numpy())
    for part in pooled.split(100_000):  # what is mapped need not be in memory at once
        index.add(np.ascontiguousarray(part.numpy()))
    return index
