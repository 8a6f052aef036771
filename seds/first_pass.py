"""First pass over a large gallery: which sequences are worth an exact score.

Each sequence is one vector, the mean of its tokens, and so is the query: their inner product is the mean of all their
cosines, while the exact score lets each token choose. benchmarks/galleries.py measures how many candidates that needs.
"""

from __future__ import annotations

import faiss
import numpy as np
from torch import Tensor

from seds.ranking import Query


class FirstPass:
    """faiss over the pooled vectors float32 [n,D], held in memory as float16; several threads may search."""

    def __init__(self, pooled: Tensor) -> None:
        vectors = np.ascontiguousarray(pooled.numpy(), np.float32)
        self._index = faiss.IndexScalarQuantizer(
            vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        )
        self._index.train(vectors)
        self._index.add(vectors)

    def candidates(self, query: Query, count: int) -> np.ndarray:
        """Numbers of the `count` nearest sequences, int64, ascending."""
        _, found = self._index.search(query.pooled().numpy()[None], count)
        return np.sort(found[0][found[0] >= 0])
