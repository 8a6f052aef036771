"""Random changes of training videos: what they may touch, how far, and that a seed gives the same again."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.corpus import RULES, SIZES, WORDS, write_corpus
from hypothesis import given, settings
from hypothesis import strategies as st

from seds.config import Augment
from seds.data import augmentation, windows
from seds.data.augmentation import Changes
from seds.data.samples import Video
from seds.data.split import Split, load_split

WINDOW, MOST = SIZES.window, SIZES.max_windows
SEEDS = st.integers(0, 2**32 - 1)


def video(frames: int = 40, name: str = "a") -> Video:
    """One whose left hand is the right one mirrored, whose first frame lacks a joint, and whose RGB features are the
    raw frames at which their windows begin.
    """
    generator = np.random.default_rng(frames)
    right = generator.uniform(10, 240, (frames, 21, 2)).astype(np.float32)
    right[0, 3] = 0
    left = np.where(right != 0, right * (-1, 1) + (256, 0), 0).astype(np.float32)
    starts, rgb_starts = windows.pose_windows(frames, WINDOW, MOST), np.arange(0, max(1, frames - 15), 4)
    raw = np.arange(frames, dtype=np.int32)
    nearest = windows.nearest_rgb(windows.pose_centres(raw, starts, WINDOW), rgb_starts, WINDOW)
    body = generator.uniform(10, 240, (frames, 7, 2)).astype(np.float32)
    return Video(
        left, right, body, raw, starts, nearest, rgb_starts[:, None].astype(np.float16), name, name, f"A {name}."
    )


def changed(one: Video, seed: int = 0, **by: float) -> Video:
    return augmentation.augmented(one, Augment(**by), WINDOW, MOST, np.random.default_rng(seed))


def test_a_change_by_nothing_is_none_but_for_rounding() -> None:
    found, one = changed(video()), video()
    for name in ("raw_frames", "starts", "nearest", "features"):
        assert np.array_equal(getattr(found, name), getattr(one, name)), name
    for name in ("left", "right", "body"):
        np.testing.assert_allclose(getattr(found, name), getattr(one, name), atol=1e-4)


@given(SEEDS)
@settings(max_examples=8)
def test_joints_that_were_not_found_stay_so(seed: int) -> None:
    found = changed(video(), seed, rotation=20, scale=0.2, shear=0.1, shift=0.1, noise=2)
    assert not found.right[0, 3].any()
    assert not found.left[0, 3].any()
    assert (found.right[1:] != 0).all()


@given(SEEDS)
@settings(max_examples=8)
def test_both_hands_are_turned_alike_in_the_picture(seed: int) -> None:
    found = changed(video(), seed, rotation=30, scale=0.2, shear=0.2)
    there = found.right != 0
    np.testing.assert_allclose((found.left * (-1, 1) + (256, 0))[there], found.right[there], atol=1e-3)


@given(SEEDS)
@settings(max_examples=8)
def test_a_turn_keeps_lengths_and_its_bound(seed: int) -> None:
    before, found = video().body, changed(video(), seed, rotation=15).body
    bones, turned = np.diff(before, axis=1).reshape(-1, 2), np.diff(found, axis=1).reshape(-1, 2)
    np.testing.assert_allclose(np.hypot(*bones.T), np.hypot(*turned.T), rtol=1e-3)
    angles = np.angle((turned @ [1, 1j]) / (bones @ [1, 1j]), deg=True)
    assert np.ptp(angles) < 0.1
    assert abs(angles).max() <= 15.01


def test_a_shift_moves_the_body_and_not_the_hands() -> None:
    one = video()
    found = changed(one, 3, shift=0.1)
    moved = (found.body - one.body).reshape(-1, 2)
    assert np.ptp(moved, axis=0).max() < 1e-3
    assert 0 < abs(moved).max() <= 25.61
    np.testing.assert_allclose(found.right, one.right, atol=1e-4)


@given(SEEDS, st.integers(1, 150))
@settings(max_examples=15)
def test_another_speed_keeps_rgb_beside_pose(seed: int, frames: int) -> None:
    one = video(frames)
    found = changed(one, seed, speed=0.25)
    count = len(found.left)
    assert round(frames / 1.25) <= count <= augmentation.longest(frames, Augment(speed=0.25))
    np.testing.assert_array_equal(found.starts, windows.pose_windows(count, WINDOW, MOST))
    np.testing.assert_allclose(found.right, one.right[found.raw_frames], atol=1e-4)
    before = windows.pose_centres(one.raw_frames, one.starts, WINDOW)
    for centre, row in zip(windows.pose_centres(found.raw_frames, found.starts, WINDOW), found.rgb, strict=True):
        assert row == one.rgb[int(np.argmin([abs(centre - old) for old in before]))]


@given(st.lists(st.tuples(st.integers(1, 150), st.floats(0.1, 1)), min_size=1, max_size=4))
@settings(max_examples=15)
def test_a_phrase_shows_middles_in_windows_of_one_clip(drawn: list[tuple[int, float]]) -> None:
    clips = [video(frames, chr(97 + i)) for i, (frames, _) in enumerate(drawn)]
    found = augmentation.joined(clips, [share for _, share in drawn], WINDOW, MOST)
    assert found.text == " ".join(f"A {clip.video_id}" for clip in clips)
    assert 1 <= len(found.starts) <= MOST
    joints = {frame.tobytes(): (i, at) for i, clip in enumerate(clips) for at, frame in enumerate(clip.right)}
    for start, feature in zip(found.starts, found.rgb[:, 0], strict=True):
        shown = [joints[frame.tobytes()] for frame in found.right[start : start + WINDOW]]
        (clip, first), own = shown[0], clips[shown[0][0]]
        assert shown == [(clip, min(first + at, len(own.right) - 1)) for at in range(WINDOW)]
        assert feature == own.rgb[list(own.starts).index(first), 0]
        if WINDOW <= len(own.right) <= MOST:  # so that every window was there to choose from
            off = abs(first + WINDOW / 2 - len(own.right) / 2)
            assert off <= max(WINDOW, drawn[clip][1] * len(own.right)) / 2


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Split:
    root = tmp_path_factory.mktemp("data")
    write_corpus(root, {"train": 2})
    return load_split("toy", "train", RULES, SIZES, "default", root)


CLIPS = np.arange(10)  # the two videos of the first five words
CHANGES = Changes(Augment(rotation=10, noise=1, speed=0.3, phrases=0.7), CLIPS)


def test_training_makes_phrases_of_clips_and_their_texts(train: Split) -> None:
    made = 0
    for indices, batch in train.training_batches(8, 0.0, np.random.default_rng(0), changes=CHANGES):
        ids = np.pad(batch.ids.numpy(), ((0, 0), (0, SIZES.max_words - batch.ids.shape[1])))
        known = {tuple(row): text for row, text in zip(train.ids.tolist(), train.texts, strict=True)}
        for video_index, row, frames in zip(indices, ids.tolist(), batch.frames.tolist(), strict=True):
            own = train.texts[train.sentence_of[video_index]]
            if known.get(tuple(row)) == own:
                continue
            made += 1
            assert video_index in CLIPS
            assert sum(token in row for token in train.ids[train.sentence_of[video_index]]) >= 3
            assert frames > WINDOW
    assert 0 < made <= 5


def test_changed_batches_resume_and_divide_as_others(train: Split) -> None:
    def epoch(**how: object) -> list[tuple]:
        return list(train.training_batches(3, 0.5, np.random.default_rng(4), changes=CHANGES, **how))  # type: ignore[arg-type]

    whole = epoch()
    for (_, a), (_, b) in zip(epoch(start=1), whole[1:], strict=True):
        assert all(tensor.equal(getattr(b, name)) for name, tensor in vars(a).items())
    for (indices, part), (all_indices, batch) in zip(epoch(local_rows=lambda rows: slice(1, rows)), whole, strict=True):
        assert np.array_equal(indices, all_indices)
        for name, tensor in vars(part).items():
            assert tensor.equal(getattr(batch, name)[1:]), name


def test_epochs_change_the_same_video_differently(train: Split) -> None:
    generator = np.random.default_rng(0)
    changes = replace(CHANGES, settings=Augment(noise=1))
    first, second = (next(iter(train.training_batches(len(WORDS), 0, generator, changes=changes))) for _ in range(2))
    shared = [(a, b) for a, x in enumerate(first[0]) for b, y in enumerate(second[0]) if x == y]
    assert shared
    for a, b in shared:
        assert not np.array_equal(first[1].right[a], second[1].right[b])
