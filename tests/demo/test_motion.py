"""Hands, arms and the way from sign to sign."""

import numpy as np
import pytest

from seds.demo import hand, motion
from seds.demo.signer import make_signers
from seds.demo.truth import truth
from seds.skeleton import FOOT, HAND_NAMES, JOINT, JOINTS, LEFT_HAND, RIGHT_HAND

FPS, SIZE = 12.5, 256


@pytest.fixture(scope="module")
def signers():
    return make_signers(6, np.random.default_rng(7))


def test_axes_are_orthonormal_and_turn_as_documented():
    for fingers in (-40, 0, 90, 180):
        for palm in (0, 37, 90, 180):
            axes = hand.axes(fingers, palm)
            np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    thumb, ahead, normal = hand.axes(0, 0)
    np.testing.assert_allclose(ahead, [0, -1, 0], atol=1e-12)  # fingers up
    np.testing.assert_allclose(normal, [0, 0, 1], atol=1e-12)  # palm to the viewer
    np.testing.assert_allclose(thumb, [-1, 0, 0], atol=1e-12)  # then the thumb points to the middle of the body
    np.testing.assert_allclose(hand.axes(90, 0)[1], [-1, 0, 0], atol=1e-12)
    np.testing.assert_allclose(hand.axes(0, 180)[2], [0, 0, -1], atol=1e-12)


def test_bones_keep_their_length_in_every_handshape():
    for shape in hand.SHAPES.values():
        points, _ = hand.joints(shape, hand.axes(30, 60))
        for finger, lengths in enumerate((hand.THUMB_BONES, *hand.BONES)):
            chain = points[1 + 4 * finger : 5 + 4 * finger]
            np.testing.assert_allclose(np.linalg.norm(np.diff(chain, axis=0), axis=1), lengths, atol=1e-9)


def test_handshapes_stretch_the_fingers_they_name():
    frame = hand.axes(0, 0)
    tips = {name: hand.joints(shape, frame)[0][[8, 12, 16, 20], 1] for name, shape in hand.SHAPES.items()}
    for name, stretched in {"flat": "1111", "fist": "0000", "point": "1000", "v": "1100", "horns": "1001"}.items():
        assert "".join("1" if tip < -0.7 else "0" for tip in tips[name]) == stretched
    assert hand.joints(hand.SHAPES["flat"], frame)[0].shape == (len(HAND_NAMES), 3)


def test_reach_keeps_the_arm_and_meets_a_wrist_within_it():
    shoulder, rng = np.array([0.5, 0.0, 0.0]), np.random.default_rng(0)
    for wrist in rng.uniform([-0.2, -0.8, 0.1], [1.0, 1.0, 0.5], (200, 3)):
        elbow, reached = motion.reach(shoulder, wrist, 0.75, 0.65)
        assert np.linalg.norm(elbow - shoulder) == pytest.approx(0.75)
        assert np.linalg.norm(reached - elbow) == pytest.approx(0.65)
        if 0.15 < np.linalg.norm(wrist - shoulder) < 1.39:
            np.testing.assert_allclose(reached, wrist, atol=1e-9)


def test_the_arm_does_not_leave_its_limits():
    elbow, reached = motion.reach(np.zeros(3), np.array([5.0, 0, 0]), 0.75, 0.65)
    assert np.linalg.norm(reached) == pytest.approx(0.995 * 1.4)
    assert np.linalg.norm(reached - elbow) == pytest.approx(0.65)


def test_ease_starts_and_ends_at_rest():
    u = np.linspace(0, 1, 1001)
    path = np.array([motion.ease(value) for value in u])
    speed = np.gradient(path, u)
    assert path[0] == 0
    assert path[-1] == 1
    assert max(abs(speed[0]), abs(speed[-1])) < 1e-4
    assert speed.max() == pytest.approx(1.875, abs=1e-3)  # of minimum jerk


def test_a_performance_is_smooth_from_rest_to_rest(signers):
    performance = motion.perform(("SUNDAY", "BOOK", "TEACHER", "BUY"), signers[0], 100.0, np.random.default_rng(0))
    rest = motion.REST
    for hand_of in (performance.dominant, performance.other):
        np.testing.assert_allclose(hand_of[[0, -1], :2], [[rest.x, rest.y]] * 2)
        assert np.abs(np.diff(hand_of[:, :2], axis=0)).max() < 0.1  # shoulder widths in 10 ms: no jump
    assert [sign.label for sign in performance.signs] == ["SUNDAY", "BOOK", "TEACHER", "BUY"]
    edges = [time for sign in performance.signs for time in (sign.start_s, sign.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] < len(performance.face) / 100.0


def test_left_handed_signers_mirror(signers):
    for signer, active in ((signers[0], RIGHT_HAND), (signers[2], LEFT_HAND)):
        assert signer.left_handed == (active == LEFT_HAND)
        performance = motion.perform(("SEE",), signer, FPS, np.random.default_rng(0))
        joints = truth(
            motion.articulate(performance, round(performance.signs[0].start_s * FPS), signer, SIZE), signer, SIZE
        )
        raised, resting = (RIGHT_HAND, LEFT_HAND) if active == RIGHT_HAND else (LEFT_HAND, RIGHT_HAND)
        assert joints[raised, 1].mean() < 128 < joints[resting, 1].mean()
        assert joints[RIGHT_HAND, 0].mean() < joints[LEFT_HAND, 0].mean()  # the signer's right is at the image's left


def test_truth_is_whole_body_and_inside_the_frame(signers):
    for signer in signers:
        performance = motion.perform(("MORNING", "DOG", "FATHER", "DRAW"), signer, FPS, np.random.default_rng(0))
        for frame in range(len(performance.face)):
            figure = motion.articulate(performance, frame, signer, SIZE)
            joints = truth(figure, signer, SIZE)
            assert joints.shape == (JOINTS, 3)
            assert not joints[FOOT].any()
            assert not joints[JOINT["left_knee"]].any()
            seen = joints[joints[:, 2] == 1]
            assert ((seen[:, :2] >= 0) & (seen[:, :2] <= SIZE - 1)).all()
            assert joints[LEFT_HAND, 2].mean() > 0.9
            assert joints[RIGHT_HAND, 2].mean() > 0.9
            for side, part in (("left", LEFT_HAND), ("right", RIGHT_HAND)):
                np.testing.assert_array_equal(joints[JOINT[f"{side}_wrist"], :2], joints[part, :2][0])
            arm = np.linalg.norm(figure.elbows - figure.shoulders, axis=1)
            np.testing.assert_allclose(arm, signer.upper_arm * signer.zoom * SIZE)
