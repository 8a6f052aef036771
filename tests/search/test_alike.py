"""Videos that sign like another one."""

import numpy as np
import pytest
import torch
from helpers.toy_search import write_searchable

from seds.index.store import SearchError
from seds.model.similarity import TEMPERATURE
from seds.search.alike import pieces
from seds.search.gallery import Gallery


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    return Gallery.open("toy", write_searchable(tmp_path_factory.mktemp("alike"), {"train": 1, "test": 2}))


def test_each_video_is_scored_by_what_its_tokens_find(gallery: Gallery) -> None:
    like = gallery.clip("test-dog-0")
    hits = gallery.search_like(like, 100, "rgb")
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert {hit.video_id for hit in hits} == set(gallery.videos["video_id"]) - {"test-dog-0"}
    for hit in hits:
        cosines = like.encoded.tokens["rgb"] @ gallery.clip(hit.video_id).encoded.tokens["rgb"].T
        found = (cosines * torch.softmax(cosines / TEMPERATURE, 1)).sum(1).mean()
        assert hit.score == pytest.approx(float(found) * gallery.header.logit_scale, abs=1e-2)


def test_the_right_number_is_found_without_the_video_itself(gallery: Gallery) -> None:
    assert len(gallery.search_like(gallery.clip("test-dog-0"), 3)) == 3
    with pytest.raises(SearchError, match="k is 0"):
        gallery.search_like(gallery.clip("test-dog-0"), 0)
    with pytest.raises(SearchError, match="unknown stream"):
        gallery.search_like(gallery.clip("test-dog-0"), 3, "sound")


def test_a_video_is_explained_by_its_own_seconds(gallery: Gallery) -> None:
    like = gallery.clip("test-dog-0")
    same = gallery.explain_like(like, like)
    assert len(same.words) == len(same.moments) == len(same.weights)
    middles = like.times.mean(1)
    for word, weights in zip(same.words, same.weights, strict=True):
        start, end = map(float, word.removesuffix(" s").split("-"))
        assert start - 0.1 <= middles[weights.argmax()] <= end + 0.1


def test_pieces_hold_each_window_once() -> None:
    times = np.array([[0.0, 1.0], [0.4, 1.4], [1.6, 2.0]])
    found = pieces(times, 2.0)
    assert sorted(place for places in found.positions for place in places) == [1, 2, 3]
    assert found.words == ("0.4-0.8 s", "0.8-1.2 s", "1.6-2.0 s")
    assert len(pieces(np.stack([np.arange(100.0), np.arange(100.0) + 1], 1), 101.0).words) == 10
