"""What the model is fed: usable rows only, a video of each sentence, padding that batches need and no more."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.batches import batch_rows
from helpers.corpus import RULES, SIZES, WORDS, write_corpus

from seds import shards, text
from seds.config import SampleRules
from seds.data import hands, windows
from seds.data.batches import Batch, collate, feed
from seds.data.split import DataError, Split, load_split
from seds.system.prefetch import THREAD


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_corpus(folder, {"train": 2, "dev": 1})
    return folder


@pytest.fixture(scope="module")
def train(root: Path) -> Split:
    return load_split("toy", "train", RULES, SIZES, "default", root)


def assert_same(a: tuple[np.ndarray, Batch], b: tuple[np.ndarray, Batch]) -> None:
    """Two items of training_batches, bit for bit."""
    assert np.array_equal(a[0], b[0])
    for name, tensor in vars(a[1]).items():
        assert tensor.dtype == getattr(b[1], name).dtype
        assert tensor.equal(getattr(b[1], name)), name


def test_a_split_holds_the_usable_videos_and_their_sentences(root: Path, train: Split) -> None:
    assert len(train.videos) == 2 * len(WORDS)
    assert train.texts == [f"a {word}" for word in WORDS]
    dev = load_split("toy", "dev", RULES, SIZES, "default", root)
    assert [video.video_id for video in dev.videos] == [f"dev-{word}-0" for word in WORDS[:-1]]  # the last is unusable


def test_a_split_without_a_usable_video_says_why(root: Path) -> None:
    with pytest.raises(DataError, match=r"toy: no usable video in split 'test' \(the manifest lists none\)"):
        load_split("toy", "test", RULES, SIZES, "default", root)


@pytest.mark.parametrize("rules", [SampleRules(window=8), SampleRules(max_windows=32)])
def test_windows_of_another_size_are_refused(root: Path, rules: SampleRules) -> None:
    with pytest.raises(DataError, match=r"manifest\.(window is 8, .* made for 16|max_windows is 32, .* made for 64)"):
        load_split("toy", "train", rules, SIZES, "default", root)


def test_rgb_windows_are_the_nearest_to_the_pose_windows(root: Path, train: Split) -> None:
    video = train.videos[3]
    (keypoints,) = shards.ShardReader(root / "pose" / "toy", "pose").read(video.video_id, ("keypoints",))
    features, starts = shards.ShardReader(root / "rgb" / "toy", "rgb").read(video.video_id, ("features", "starts"))
    kept = hands.retain(keypoints, hands.Frame(256, 256), RULES)
    assert np.array_equal(video.left, kept.left)
    assert np.array_equal(video.raw_frames, kept.frames)
    assert video.raw_frames.dtype == np.int32
    assert train.video_ids[3] == video.video_id
    assert len(video.starts) == len(kept.frames) - 15
    for start, row in zip(video.starts, video.rgb, strict=True):
        distance = [abs((start + 7.5) - (s + 7.5)) for s in starts]
        assert np.array_equal(row, features[int(np.argmin(distance))])
    assert windows.pose_windows(len(kept.frames)).tolist() == video.starts.tolist()


def test_epoch_has_every_sentence_once_with_one_of_its_videos(train: Split) -> None:
    generator = np.random.default_rng(0)
    own = {tuple(map(int, train.ids[s])): {train.videos[v].left.shape[0] for v in train.videos_of[s]} for s in range(8)}
    drawn = set()
    for _ in range(6):
        seen = []
        for indices, batch in train.training_batches(3, 0.0, generator):
            assert [len(train.videos[i].left) for i in indices] == batch.frames.tolist()
            for row, frames in zip(batch.ids.numpy(), batch.frames.tolist(), strict=True):
                ids = tuple(map(int, np.pad(row, (0, SIZES.max_words - len(row)))))
                assert frames in own[ids]
                seen.append(ids)
                drawn.add((ids, frames))
        assert sorted(seen) == sorted(own)
    assert len(drawn) == sum(map(len, own.values()))  # over the epochs every video has its turn


def test_a_last_batch_of_one_is_left_out(train: Split) -> None:
    sizes = [len(batch.frames) for _, batch in train.training_batches(7, 0.0, np.random.default_rng(0))]
    assert sizes == [7]
    assert train.steps(7) == 1
    assert train.steps(3) == len(list(train.training_batches(3, 0.0, np.random.default_rng(0)))) == 3


def test_batches_of_a_seed_are_the_same_again(train: Split) -> None:
    first, second = (list(train.training_batches(4, 0.5, np.random.default_rng(5))) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize("start", [1, 2, 3])
def test_an_epoch_begun_in_its_middle_goes_on_as_the_whole_one(train: Split, start: int) -> None:
    whole, resumed = np.random.default_rng(5), np.random.default_rng(5)
    expected = list(train.training_batches(3, 0.5, whole))[start:]
    found = list(train.training_batches(3, 0.5, resumed, start=start))
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)
    assert resumed.bit_generator.state == whole.bit_generator.state


def plain_epoch(train: Split, size: int, swap: float, generator: np.random.Generator) -> Iterator[tuple]:
    """Sentence by sentence, in the order in which chance decides: what training_batches is to give."""
    order = generator.permutation(len(train.sentence_ids))
    for at in range(0, len(order), size):
        chosen = order[at : at + size]
        if len(chosen) < 2:
            return
        indices = np.array([generator.choice(np.flatnonzero(train.sentence_of == s)) for s in chosen])
        texts = [text.swap_words(train.texts[s], swap, generator) for s in chosen]
        videos, ids, swapped = [train.videos[i] for i in indices], train.ids[chosen], text.tokenise(texts)
        windows, frames = max(len(v.starts) for v in videos), max(len(v.left) for v in videos)
        words = 1 + max(row.tolist().index(row.max()) for row in (*ids, *swapped))
        starts = np.stack([np.pad(v.starts, (0, windows - len(v.starts)), constant_values=-1) for v in videos])

        def padded(arrays: list[np.ndarray], length: int) -> torch.Tensor:
            rows = [np.pad(a, [(0, length - len(a)), *[(0, 0)] * (a.ndim - 1)]) for a in arrays]
            return torch.from_numpy(np.stack(rows).astype(np.float32))

        joints = [padded([getattr(v, part) for v in videos], frames) for part in ("left", "right", "body")]
        lengths, rgb = torch.tensor([len(v.left) for v in videos]), padded([v.rgb for v in videos], windows)
        texts_ids = (torch.from_numpy(ids[:, :words]), torch.from_numpy(swapped[:, :words]))
        yield indices, Batch(*joints, lengths, torch.from_numpy(starts), rgb, *texts_ids)


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_batches_made_ahead_equal_those_of_the_plain_procedure(train: Split, depth: int) -> None:
    ours, plain = np.random.default_rng(8), np.random.default_rng(8)
    for size in (2, 3, 7, 8):
        made = feed(train.training_batches(size, 0.5, ours), torch.device("cpu"), depth)
        for a, b in zip(made, plain_epoch(train, size, 0.5, plain), strict=True):
            assert_same(a, b)
        assert ours.bit_generator.state == plain.bit_generator.state


@pytest.mark.parametrize("numerics", ["default", "published"])
def test_the_rows_of_all_shares_are_the_batch(train: Split, numerics: str) -> None:
    split = Split(train.videos, SIZES, numerics)

    def epoch(share) -> list[tuple[np.ndarray, Batch]]:
        return list(split.training_batches(7, 0.5, np.random.default_rng(2), local_rows=share))

    shares = [slice(0, 2), slice(2, 3), slice(3, 7)]
    for rows in shares:
        for (indices, part), (all_indices, whole) in zip(epoch(lambda n, r=rows: r), epoch(slice), strict=True):
            assert_same((indices, part), (all_indices, batch_rows(whole, rows)))


def test_a_failure_while_batches_are_made_ahead_reaches_the_loop(train: Split) -> None:
    def failing() -> Iterator[tuple[np.ndarray, Batch]]:
        yield next(train.training_batches(3, 0.0, np.random.default_rng(0)))
        raise shards.ShardError("the disk is gone")

    made = feed(failing(), torch.device("cpu"), 2)
    next(made)
    with pytest.raises(shards.ShardError, match="the disk is gone"):
        next(made)
    assert THREAD not in {thread.name for thread in threading.enumerate()}


def test_no_thread_outlives_an_epoch_that_ends_early(train: Split) -> None:
    with closing(feed(train.training_batches(2, 0.0, np.random.default_rng(0)), torch.device("cpu"), 2)) as made:
        next(made)
        assert THREAD in {thread.name for thread in threading.enumerate()}
    assert THREAD not in {thread.name for thread in threading.enumerate()}


def test_padding_ends_where_the_longest_ends(train: Split) -> None:
    videos = sorted(train.videos, key=lambda video: len(video.left))
    pair = [videos[0], videos[-1]]
    batch = collate(pair, train.ids[:2], train.ids[:2])
    assert batch.left.shape == (2, len(pair[1].left), 21, 2)
    assert batch.frames.tolist() == [len(pair[0].left), len(pair[1].left)]
    assert not batch.left[0, len(pair[0].left) :].any()
    assert batch.window_starts[0].tolist() == [*pair[0].starts, *[-1] * (len(pair[1].starts) - len(pair[0].starts))]
    assert batch.ids.shape[1] == 4  # start, "a", the word, end


def test_published_numerics_always_pad_to_the_full_sizes(train: Split) -> None:
    published = Split(train.videos, SIZES, "published")
    batch = next(published.video_batches(2))
    assert batch.window_starts.shape == (2, SIZES.max_windows)
    assert batch.ids.shape == (2, SIZES.max_words)


def test_a_subset_keeps_whole_sentences(train: Split) -> None:
    part = train.subset(3)
    assert part.sentence_ids == train.sentence_ids[:3]
    assert len(part.videos) == 6
