"""The best of many sequences for a query. A small gallery is scored exactly; of a large one, a first pass chooses the
candidates.

The first pass compares the means of the tokens: their inner product is the mean of all cosines, whereas the exact score
weights them. Few candidates suffice; benchmarks/galleries.py measures how many.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import torch

from seds.index.joined import TokenRows
from seds.index.store import Sequences
from seds.search.ranking import Query, scores

if TYPE_CHECKING:
    import faiss


class Ranker:
    """Finds the best of `stored` for any query. Several threads may use it at once.

    mix: see ranking.scores. exact: up to this many sequences, all are scored. candidates: how many are scored of more
    (at least as many as the search returns).
    """

    def __init__(self, stored: Sequences, mix: float, exact: int, candidates: int) -> None:
        self.stored, self.mix, self.exact, self.candidates = stored, mix, exact, candidates
        self._pooled: faiss.Index | None = None
        self._lock = threading.Lock()

    def best(self, query: Query, k: int, mix: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Indices (int64) and scores (float32, see ranking.scores) of the k best, best first; ties in index order.

        mix: None = the ranker's own.
        """
        rows = None
        if len(self.stored) > self.exact:
            rows = self.first_pass(query, max(k, self.candidates))
        mix = self.mix if mix is None else mix
        values = scores(query, self.stored, mix, None if rows is None else torch.from_numpy(rows))
        order = np.argsort(-values, kind="stable")[:k]
        return order if rows is None else rows[order], values[order]

    def first_pass(self, query: Query, count: int) -> np.ndarray:
        """Indices of the `count` sequences with the nearest pooled vectors, int64, ascending."""
        with self._lock:  # other threads wait while the first search builds it
            if self._pooled is None:
                self._pooled = _inner_products(self.stored.pooled)
        _, indices = self._pooled.search(query.pooled().cpu().numpy()[None], count)
        return np.sort(indices[0][indices[0] >= 0])


def _inner_products(pooled: TokenRows) -> faiss.Index:
    """An index of float32 [n,D]. It stores float16, because a search reads all of it and reading takes the time."""
    import faiss  # takes a while, and a small gallery does without

    index = faiss.IndexScalarQuantizer(pooled.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    index.train(pooled[:1].numpy())
    for part in pooled.split(100_000):  # memory-mapped, so it need not be in memory at once
        index.add(np.ascontiguousarray(part.numpy()))
    return index
