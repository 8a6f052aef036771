from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seds.config import SampleRules
from seds.data.hands import LEFT, RIGHT, Frame, Hand, retain, sample_frames
from seds.data.joints import UPPER_BODY
from seds.skeleton import BODY

RULES = SampleRules()
RECORDED = Path(__file__).parents[1] / "golden" / "keypoints_ph.npz"


def test_what_stops_the_published_loader_is_answered():
    """Recorded inputs on which it raises; test_verify compares all others."""
    with np.load(RECORDED) as arrays:
        recorded = {name: arrays[name] for name in arrays.files}
    width, height = recorded["image_size_wh"].tolist()
    failing = [str(case) for case in recorded["cases"] if str(recorded[f"{case}/error"])]
    kept = {case: retain(recorded[f"{case}/keypoints"], Frame(width, height), RULES) for case in failing}
    assert len(kept["err_no_hand_at_all"].frames) == 0
    only_right = kept["err_left_never_found"]
    assert only_right.right_seen.all()
    assert not only_right.left_seen.any()
    assert not only_right.left.any()
    for case in ("err_zero_size_hand", "odd_elbow_box_out_of_frame"):
        frames = len(recorded[f"{case}/keypoints"])
        unseen = [side for side in ("left", "right") if not getattr(kept[case], f"{side}_seen").all()]
        assert unseen or len(kept[case].frames) < frames, case
    for result in kept.values():
        assert all(np.isfinite(getattr(result, part)).all() for part in ("left", "right", "body"))


# ---- the rules of SPEC 3-4, one frame and one joint at a time --------------------------------------------------------


def slow_box(points, hand: Hand, width, height, margin):
    """Box (x0, y0, side) of one hand in one frame, or None."""
    visible = [joint for joint in points[hand.joints] if joint[2] > np.float32(RULES.visible)]
    if len(visible) >= RULES.visible_joints:
        xs, ys = [float(j[0]) for j in visible], [float(j[1]) for j in visible]
        x_range, y_range = max(xs) - min(xs), max(ys) - min(ys)
        small = min(width, height)
        side = round(2.2 * max(x_range, y_range))
        if side >= small - 1:
            side = small - 1
        corner = []
        for low, extent, size in ((min(xs), x_range, width), (min(ys), y_range, height)):
            if side == small - 1 and size == small:
                corner.append(0)
                continue
            start = round(max(0, low + extent / 2 - side / 2))
            corner.append(start - max(0, start + side - (size - 1)))
        box = (*corner, side)
    else:
        shoulder, elbow, wrist = (points[j] for j in (hand.shoulder, hand.elbow, hand.wrist))
        if min(shoulder[2], elbow[2], wrist[2]) < RULES.arm:
            return None
        if margin is not None and not wrist[1] < height - margin:
            return None
        shoulder, elbow, wrist = (np.array(p[:2], float) for p in (shoulder, elbow, wrist))
        centre = wrist + 0.33 * (wrist - elbow)
        side = 1.1 * max(np.hypot(*(wrist - elbow)), 0.9 * np.hypot(*(elbow - shoulder)))
        x, y = max(0.0, centre[0] - side / 2), max(0.0, centre[1] - side / 2)
        side = min(width - x if x + side > width else side, height - y if y + side > height else side)
        box = (int(x), int(y), int(side))
    return box if box[2] > 0 else None


def slow_hand(points, hand: Hand, box):
    """Coordinates [21,2] of one hand in its box."""
    result = np.zeros((21, 2))
    for i, (x, y, confidence) in enumerate(points[hand.joints]):
        if confidence <= np.float32(RULES.gate):
            x = y = 0.0
        x, y = max(0.0, (x - box[0]) / box[2] * 256), max(0.0, (y - box[1]) / box[2] * 256)
        if hand.mirrored:
            x = 256 - x
            x, y = (0.0 if value >= 255 else value for value in (x, y))
        result[i] = x, y
    return result


@st.composite
def videos(draw):
    """Keypoints full of ties, edges of the frame and thresholds met exactly, and the frame's size."""
    width, height = draw(st.tuples(st.integers(40, 300), st.integers(40, 300)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    frames = draw(st.integers(1, 12))
    spread = draw(st.sampled_from([0.0, 3.0, 30.0, 200.0]))
    centre = rng.uniform(-30, max(width, height) + 30, (frames, 1, 2))
    xy = np.round(2 * (centre + rng.normal(0, spread, (frames, 133, 2)))) / 2
    visible = draw(st.sampled_from([0.2, 0.5, 0.9]))  # share of the hands' joints: few, about ten, nearly all
    levels = np.where(
        rng.random((frames, 133)) < visible,
        rng.choice([0.11, 0.4, 0.41, 0.9], (frames, 133)),
        rng.choice([0, 0.1], (frames, 133)),
    )
    levels[:, BODY] = rng.choice([0.49, 0.5, 0.9, 0.9, 0.9], (frames, 17))
    return np.concatenate([xy, levels[..., None]], axis=2).astype(np.float32), width, height


@given(videos(), st.sampled_from([None, 0.0, 20.0]))
@settings(max_examples=200, deadline=None)
def test_against_the_rules_applied_one_frame_at_a_time(video, margin):
    keypoints, width, height = video
    kept = retain(keypoints, Frame(width, height, margin), RULES)
    position = {int(frame): i for i, frame in enumerate(kept.frames)}
    for t, points in enumerate(keypoints):
        left_box, right_box = (slow_box(points, hand, width, height, margin) for hand in (LEFT, RIGHT))
        assert (t in position) == bool(left_box or right_box)
        if t not in position:
            continue
        at = position[t]
        for hand, box, xy, seen in (
            (LEFT, left_box, kept.left, kept.left_seen),
            (RIGHT, right_box, kept.right, kept.right_seen),
        ):
            assert seen[at] == (box is not None)
            expected = slow_hand(points, hand, box) if box else np.zeros((21, 2))
            np.testing.assert_allclose(xy[at], expected, rtol=1e-6, atol=1e-4)
        body = points[list(UPPER_BODY), :2] / [width, height] * 256
        np.testing.assert_allclose(kept.body[at], body, rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize(
    ("frames", "kept"), [(0, 0), (1, 1), (300, 300), (301, 151), (475, 238), (600, 300), (601, 201)]
)
def test_long_videos_are_subsampled(frames, kept):
    sampled = sample_frames(frames, 300)
    assert len(sampled) == kept
    assert len(set(np.diff(sampled))) <= 1
    assert not kept or sampled[0] == 0


def test_a_joint_that_is_not_finite_counts_as_not_detected():
    keypoints = np.full((2, 133, 3), 0.9, np.float32)
    keypoints[:, :, :2] = np.random.default_rng(0).uniform(50, 90, (2, 133, 2))
    broken, absent = keypoints.copy(), keypoints.copy()
    broken[0, 95, 0], broken[1, 120, 2] = np.nan, np.inf
    absent[0, 95], absent[1, 120] = 0, 0
    found, expected = (retain(points, Frame(200, 200), RULES) for points in (broken, absent))
    np.testing.assert_array_equal(found.left, expected.left)
    np.testing.assert_array_equal(found.right, expected.right)
    assert np.isnan(broken[0, 95, 0])  # the caller's array is left as it was


def test_a_foreign_shape_is_named():
    with pytest.raises(ValueError, match=r"\[T,133,3\], got \[4, 17, 3\]"):
        retain(np.zeros((4, 17, 3)), Frame(100, 100), RULES)
