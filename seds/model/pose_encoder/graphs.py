"""The joint graphs of the pose encoder: which joints exchange features, and with what weight (SPEC 6, "Adjacency").

A graph has four edge sets, as in spatial-temporal graph convolution (Yan et al., AAAI 2018) with one more for symmetry:
self (a joint to itself), inward (to its neighbour nearer the centre), outward (the reverse) and symmetric (between
matching joints of neighbouring fingers or of the two arms). A[k, v, w] is the weight of joint v in joint w over edge
set k; every column of their sum is divided by the number of w's neighbours, itself included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seds.data.joints import HAND_BONES

Edge = tuple[int, int]


@dataclass(frozen=True)
class Graph:
    """A joint graph and the coarser one over its parts.

    adjacency: float64 [4, J, J]; pooled: float64 [4, P, P]; parts: the joints of each pooled node.
    """

    adjacency: np.ndarray
    pooled: np.ndarray
    parts: tuple[tuple[int, ...], ...]

    @property
    def joints(self) -> int:
        return self.adjacency.shape[1]


def adjacency(bones: Sequence[Edge], symmetric: Sequence[Edge], distance: Sequence[int]) -> np.ndarray:
    """Weights of the four edge sets, float64 [4, J, J]; distance: bones between each of the J joints and the centre.

    A bone between joints of equal distance belongs to no set: it weakens its joints' other edges (they count it as a
    neighbour) and carries nothing.
    """
    joints = len(distance)
    linked = np.eye(joints)
    for i, j in (*bones, *symmetric):
        linked[i, j] = linked[j, i] = 1
    weight = linked / linked.sum(0)
    away = np.asarray(distance)
    inward = away[:, None] > away[None, :]  # from v, farther, to w
    mirrored = np.zeros((joints, joints), dtype=bool)
    for i, j in symmetric:
        mirrored[i, j] = mirrored[j, i] = True
    return np.stack([np.where(chosen, weight, 0.0) for chosen in (np.eye(joints) > 0, inward, inward.T, mirrored)])


def hand_graph() -> Graph:
    """21 joints, wrist first; 6 parts: five fingers, then the palm (the wrist and each finger's first joint)."""
    level = [0] + [1, 2, 3, 4] * 5
    symmetric = [(4 * finger + i, 4 * finger + 4 + i) for finger in range(4) for i in (1, 2, 3, 4)]
    fingers = tuple(tuple(4 * finger + i for i in (2, 3, 4)) for finger in range(5))
    palm = (0, 1, 5, 9, 13, 17)
    return Graph(
        adjacency=adjacency(HAND_BONES, symmetric, level),
        pooled=adjacency([(5, finger) for finger in range(5)], [(i, i + 1) for i in range(4)], [1] * 5 + [0]),
        parts=(*fingers, palm),
    )


def body_graph() -> Graph:
    """7 joints: nose, left shoulder, elbow, wrist, right shoulder, elbow, wrist; 3 parts: left arm, right arm, nose.

    The published pooled graph knows no distances (all are 0), so the left arm's bone to the nose carries nothing and
    the right arm has none; released weights were trained on it, hence it stays.
    """
    return Graph(
        adjacency=adjacency(
            [(0, 1), (1, 2), (2, 3), (0, 4), (4, 5), (5, 6)], [(1, 4), (2, 5), (3, 6)], [0, 1, 2, 3, 1, 2, 3]
        ),
        pooled=adjacency([(0, 2)], [(0, 1)], [0, 0, 0]),
        parts=((1, 2, 3), (4, 5, 6), (0,)),
    )
