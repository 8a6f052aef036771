"""The rules that the joint graphs are made by; test_verify compares them with the recorded tables."""

import numpy as np

from seds.model.pose_encoder.graphs import adjacency, hand_graph


def test_hand_joints_are_each_in_one_part():
    assert sorted(joint for part in hand_graph().parts for joint in part) == list(range(21))


def test_edges_go_inward_outward_and_across():
    # 0 is the centre; 1 and 2 hang on it and mirror each other.
    weights = adjacency([(0, 1), (0, 2)], [(1, 2)], [0, 1, 1])
    third = 1 / 3
    assert weights.shape == (4, 3, 3)
    np.testing.assert_allclose(weights[0], np.eye(3) * third)
    np.testing.assert_allclose(weights[1], [[0, 0, 0], [third, 0, 0], [third, 0, 0]])
    np.testing.assert_allclose(weights[2], weights[1].T)
    np.testing.assert_allclose(weights[3], [[0, 0, 0], [0, 0, third], [0, third, 0]])


def test_bone_between_equal_distances_only_dilutes():
    weights = adjacency([(0, 1)], [], [0, 0])
    np.testing.assert_allclose(weights.sum(0), np.eye(2) / 2)
