"""Similarities in blocks against the definition for the whole at once, in both numerics."""

import pytest
import torch
from torch.nn import functional as F

from seds.model.similarity import Tokens, text_to_video, video_to_text
from seds.retrieval import scoring
from seds.retrieval.scoring import Sentences


def ragged(lengths, longest, seed, width=24, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    # A common part, as real tokens have, so that cosines come near 1.
    values = torch.randn(len(lengths), longest, width, generator=generator, dtype=dtype)
    values = values + 2 * torch.randn(width, generator=generator, dtype=dtype)
    return Tokens(values, torch.arange(longest) < torch.tensor(lengths)[:, None])


def slow(video, text, mix, masked):
    video, text = (Tokens(F.normalize(t.values, dim=-1), t.valid) for t in (video, text))
    return mix * video_to_text(video, text, masked) + (1 - mix) * text_to_video(video, text, masked)


VIDEO_LENGTHS = (65, 2, 30, 31, 65, 2, 3, 64, 17, 65, 40, 12, 5)
TEXT_LENGTHS = (3, 32, 8, 9, 9, 31, 4, 12, 20, 5, 7, 7, 11, 32, 32, 6)


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("videos", "texts"), [(8, 32), (1, 1), (2, 5), (100, 3)])
def test_scores_equal_the_definition_whatever_the_blocks(masked, videos, texts, monkeypatch):
    monkeypatch.setattr(scoring, "VIDEOS", videos)
    monkeypatch.setattr(scoring, "TEXTS", texts)
    for dtype, limit in ((torch.float64, 1e-13), (torch.float32, 1e-6)):
        video, text = ragged(VIDEO_LENGTHS, 65, 0, dtype=dtype), ragged(TEXT_LENGTHS, 32, 1, dtype=dtype)
        found = Sentences(text, masked, "cpu").scores(video, 0.3)
        assert found.dtype == dtype
        assert (found - slow(video, text, 0.3, masked)).abs().max() < limit


def test_scores_and_thread_count_survive_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(scoring, "VIDEOS", 2)
    monkeypatch.setattr(scoring, "TEXTS", 3)
    video, text = ragged(VIDEO_LENGTHS, 65, 0), ragged(TEXT_LENGTHS, 32, 1)
    before, found = torch.get_num_threads(), {}
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found[threads] = Sentences(text, True, "cpu").scores(video)
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[1], found[3])


def test_extreme_tokens_neither_overflow_nor_lose_digits():
    one = F.normalize(torch.randn(64, generator=torch.Generator().manual_seed(0)), dim=0)
    video = Tokens(torch.stack([one.expand(65, -1), -one.expand(65, -1)]), torch.ones(2, 65, dtype=torch.bool))
    text = Tokens(one.expand(1, 32, -1), torch.ones(1, 32, dtype=torch.bool))
    torch.testing.assert_close(Sentences(text, True, "cpu").scores(video), torch.tensor([[1.0], [-1.0]]))


def test_padding_is_never_multiplied_where_lengths_agree():
    groups = list(scoring.groups(ragged((9,) * 20 + (3,) * 20, 65, 0), 16, True, "cpu"))
    assert sum(group.values.shape[0] * group.values.shape[1] for group in groups) == 20 * 9 + 20 * 3
    assert all(len(group.hidden) == 0 for group in groups)
    assert sorted(torch.cat([group.rows for group in groups]).tolist()) == list(range(40))
    whole = list(scoring.groups(ragged((9, 3), 65, 0), 16, False, "cpu"))
    assert [group.values.shape[:2] for group in whole] == [(65, 2)], "published numerics keep it"


def test_a_score_that_is_no_number_stays_one():
    video, text = ragged((5, 5), 5, 0), ragged((4, 3), 4, 1)
    video.values[1, 2, 0] = torch.nan
    scores = Sentences(text, True, "cpu").scores(video)
    assert scores[0].isfinite().all()
    assert scores[1].isnan().all()
