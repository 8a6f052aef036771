"""The joint graphs against the recorded tables, and the rules they are made by."""

import numpy as np
import pytest
from recorded import GOLDEN

from seds.pose.graphs import EDGE_SETS, adjacency, body_graph, hand_graph


@pytest.mark.parametrize(("part", "graph"), [("hand", hand_graph()), ("body", body_graph())])
def test_recorded_tables(part, graph):
    recorded = np.load(GOLDEN / "graph_adjacency.npz")
    np.testing.assert_array_equal(graph.adjacency, recorded[f"{part}_A"])
    np.testing.assert_array_equal(graph.pooled, recorded[f"{part}_A_pool"])
    parts = [tuple(row[row >= 0]) for row in recorded[f"{part}_pool_parts"]]
    assert list(graph.parts) == parts
    assert graph.joints == len(recorded[f"{part}_dist_center"])


def test_every_joint_of_the_hand_is_in_one_part():
    assert sorted(joint for part in hand_graph().parts for joint in part) == list(range(21))


def test_edges_go_inward_outward_and_across():
    # 0 is the centre; 1 and 2 hang on it and mirror each other.
    weights = adjacency([(0, 1), (0, 2)], [(1, 2)], [0, 1, 1])
    third = 1 / 3
    assert weights.shape == (len(EDGE_SETS), 3, 3)
    np.testing.assert_allclose(weights[0], np.eye(3) * third)
    np.testing.assert_allclose(weights[1], [[0, 0, 0], [third, 0, 0], [third, 0, 0]])
    np.testing.assert_allclose(weights[2], weights[1].T)
    np.testing.assert_allclose(weights[3], [[0, 0, 0], [0, 0, third], [0, third, 0]])


def test_a_bone_between_equal_distances_only_dilutes():
    weights = adjacency([(0, 1)], [], [0, 0])
    np.testing.assert_allclose(weights.sum(0), np.eye(2) / 2)
