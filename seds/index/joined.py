"""Tensors of several files as one."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import torch
from torch import Tensor


class JoinedRows:
    """The rows of tensors [n,...] that lie end to end, without a copy of the whole: what is used of a mapped tensor.

    rows[5:9] and rows.split(...) give tensors: a view where the rows are of one file, else a copy.
    """

    def __init__(self, parts: Sequence[Tensor]) -> None:
        """parts: at least one; of one dtype and row shape. Raises ValueError where they are not."""
        kinds = {(part.dtype, tuple(part.shape[1:])) for part in parts}
        if len(kinds) != 1:
            raise ValueError(f"rows to join differ: {sorted(map(str, kinds))}")
        self.parts = list(parts)
        self._starts = [0, *accumulate(len(part) for part in parts)]
        self.dtype = parts[0].dtype
        self.shape = torch.Size([self._starts[-1], *parts[0].shape[1:]])

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, rows: slice) -> Tensor:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise ValueError(f"rows {rows} of joined tensors, expected consecutive ones")
        found: list[Tensor] = []
        first = max(0, bisect_right(self._starts, start) - 1)
        for part, begin in zip(self.parts[first:], self._starts[first:], strict=False):
            if begin >= stop and found:
                break
            found.append(part[max(0, start - begin) : max(0, stop - begin)])
        return found[0] if len(found) == 1 else torch.cat(found or [self.parts[0][:0]])

    def split(self, sizes: int | Sequence[int]) -> Iterator[Tensor]:
        """As a tensor's, one at a time."""
        if isinstance(sizes, int):
            sizes = [min(sizes, len(self) - at) for at in range(0, len(self), sizes)]
        for start, stop in pairwise(accumulate(sizes, initial=0)):
            yield self[start:stop]


TokenRows = Tensor | JoinedRows


def join(parts: Sequence[Tensor]) -> TokenRows:
    """One tensor as it is."""
    return parts[0] if len(parts) == 1 else JoinedRows(parts)
